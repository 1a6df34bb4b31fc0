// A subcommand is one file: a function that adds itself to the parser and sets a callback. main.cpp
// lists them.
#pragma once
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>
#include <cstdint>
#include <string>
#include "train/progress.h"
#include "train/gpu.h"

namespace autodidact {

// Options that every subcommand accepts where they mean something.
struct Common {
  bool json = false;   // one object on standard output instead of text
  bool quiet = false;  // no messages on standard error but warnings and errors
  int threads = 0;     // 0: the CPUs this process may use
  std::string winograd = "on";
  std::string device = "auto";
};

// Adds --json, -q, --threads and --winograd to a subcommand.
void add_common(CLI::App& command, Common& common);
// What every command's object begins with: command, seed, seconds since the program began, device,
// protocol. null where one has no meaning for the command (docs/json.md).
nlohmann::ordered_json result_object(const std::string& command, const nlohmann::ordered_json& seed,
                                     const nlohmann::ordered_json& device,
                                     const nlohmann::ordered_json& protocol);
// Adds --device to a subcommand that runs a network.
void add_device(CLI::App& command, Common& common);
// The device it names; what there is to warn of is said through `progress`.
Device device_of(const Common& common, Progress& progress);
// Prints the command's result: `text` on standard output, or with --json the object on one line.
void print_result(const Common& common, const std::string& text,
                  const nlohmann::ordered_json& object);

void add_adapt(CLI::App& app, Common& common);
void add_bench(CLI::App& app, Common& common);
void add_corrupt(CLI::App& app, Common& common);
void add_data(CLI::App& app, Common& common);
void add_demo(CLI::App& app, Common& common);
void add_doctor(CLI::App& app, Common& common);
void add_embed(CLI::App& app, Common& common);
void add_evaluate(CLI::App& app, Common& common);
void add_export(CLI::App& app, Common& common);
void add_import(CLI::App& app, Common& common);
void add_inspect(CLI::App& app, Common& common);
void add_predict(CLI::App& app, Common& common);
void add_recipes(CLI::App& app, Common& common);
void add_reconstruct(CLI::App& app, Common& common);
void add_train(CLI::App& app, Common& common);

}  // namespace autodidact
