// How the command line is read beyond what CLI11 does by itself: help that starts with examples,
// refusals that name what was typed and what was meant.
#pragma once
#include <CLI/CLI.hpp>
#include <string>

namespace autodidact {

// What it is, examples (a command's footer), then usage and options.
struct ExamplesFirst : CLI::Formatter {
  std::string make_description(const CLI::App* app) const override;
  std::string make_footer(const CLI::App*) const override { return ""; }
};

// No option of any command takes "": it would pass for one that was not given.
void refuse_empty_values(CLI::App& app);

// The refusal where a parse ended without a subcommand that has to be named: what was typed in its
// place, and the nearest one. "": none is missing.
std::string missing_subcommand(const CLI::App& app);

// Checks of a value. CLI11's own would take -1 for a seed, or print the range of a double.
CLI::Validator seed_number();      // 0 .. 2^62, as a recipe's
CLI::Validator positive_number();  // finite, above 0

}  // namespace autodidact
