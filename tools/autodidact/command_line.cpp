#include "tools/autodidact/command_line.h"
#include <charconv>
#include <cmath>
#include <cstdint>
#include "train/data/names.h"
#include "train/recipe.h"

namespace autodidact {
namespace {

template <class T>
bool reads(const std::string& text, T& value) {
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

bool any(const CLI::App*) { return true; }

}  // namespace

std::string ExamplesFirst::make_description(const CLI::App* app) const {
  const std::string what = CLI::Formatter::make_description(app), examples = app->get_footer();
  return examples.empty() ? what : what + examples + "\n\n";
}

void refuse_empty_values(CLI::App& app) {
  for (CLI::Option* option : app.get_options())
    if (option->get_items_expected_max() > 0)
      option->check([](const std::string& text) { return text.empty() ? "must not be empty" : ""; },
                    "");
  for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; }))
    refuse_empty_values(*command);
}

std::string missing_subcommand(const CLI::App& app) {
  const CLI::App* at = &app;
  std::string named;
  while (!at->get_subcommands().empty()) {
    at = at->get_subcommands().front();
    named += at->get_name() + " ";
  }
  if (at->get_require_subcommand_min() == 0) return "";
  std::vector<std::string> names;
  std::string all;
  for (const CLI::App* command : at->get_subcommands(any)) {
    names.push_back(command->get_name());
    all += (all.empty() ? "" : ", ") + names.back();
  }
  std::string text = named + "needs a subcommand: " + all;
  const std::vector<std::string> typed = at->remaining();
  if (typed.empty()) return text;
  const std::string near = nearest(typed.front(), names);
  return text + "; got " + printable(typed.front()) +
         (near.empty() ? "" : "; did you mean " + near + "?");
}

CLI::Validator seed_number() {
  constexpr int64_t kMost = int64_t(1) << 62;
  return CLI::Validator(
      [](std::string& text) {
        int64_t seed = -1;
        return reads(text, seed) && seed >= 0 && seed <= kMost
                   ? std::string()
                   : "must be a whole number from 0 to 2^62, got " + printable(text);
      },
      "");
}

CLI::Validator positive_number() {
  return CLI::Validator(
      [](std::string& text) {
        double value = 0;
        return reads(text, value) && std::isfinite(value) && value > 0
                   ? std::string()
                   : "must be a number above 0, got " + printable(text);
      },
      "");
}

}  // namespace autodidact
