// autodidact recipes [NAME]
#include <fmt/core.h>
#include <memory>
#include "tools/autodidact/command.h"
#include "train/recipe.h"

namespace autodidact {
namespace {

// The first line of a recipe is a comment that says what it is.
std::string title(const std::string& text) {
  std::string line = text.substr(0, text.find('\n'));
  size_t begin = line.find_first_not_of("# ");
  return begin == std::string::npos ? "" : line.substr(begin);
}

void run_recipes(const Common& common, const std::string& name) {
  auto object = result_object("recipes", nullptr, nullptr, nullptr);
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  std::vector<std::string> names;
  std::string text;
  for (const EmbeddedRecipe& r : embedded_recipes()) {
    if (r.name == name) {
      object.update({{"name", r.name}, {"toml", r.text}});
      return print_result(common, r.text, object);
    }
    names.push_back(r.name);
    list.push_back({{"name", r.name}, {"title", title(r.text)}});
    text += fmt::format("{:<32}{}\n", r.name, title(r.text));
  }
  if (name.empty()) {
    object["recipes"] = list;
    return print_result(common, text, object);
  }
  std::string near = nearest(name, names);
  fail(ErrorKind::usage, "recipes: there is no ", name,
       near.empty() ? "" : "; did you mean " + near + "?");
}

}  // namespace

void add_recipes(CLI::App& app, Common& common) {
  auto name = std::make_shared<std::string>();
  CLI::App* c = app.add_subcommand("recipes", "list the recipes inside the program, or print one");
  c->footer(
      "Examples:\n"
      "  autodidact recipes\n"
      "  autodidact recipes rotation-world-quick > mine.toml");
  c->add_option("NAME", *name, "the recipe to print");
  add_common(*c, common);
  c->callback([name, &common] { run_recipes(common, *name); });
}

}  // namespace autodidact
