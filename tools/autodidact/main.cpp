// The program. Results go to standard output, messages to standard error. Exit codes are a
// contract: 0 done, 1 failure, 2 usage, 3 data, 4 numerical, 5 device, 6 damaged checkpoint,
// 130/143 after a signal with a checkpoint saved.
#include <chrono>
#include <cstdio>
#include <iostream>
#include <memory>
#include <new>
#include "engine/check.h"
#include "kernels/cpu_class.h"
#include "kernels/parallel.h"
#include "kernels/vendor/vendor.h"
#include "kernels/winograd.h"
#include "tools/autodidact/command.h"
#include "tools/autodidact/command_line.h"

namespace autodidact {

static const auto begin = std::chrono::steady_clock::now();

void add_common(CLI::App& command, Common& common) {
  command.add_flag("--json", common.json, "print one JSON object on standard output");
  command.add_flag("-q,--quiet", common.quiet, "no messages but warnings and errors");
  command
      .add_option("--threads", common.threads, "compute threads; the result does not depend on it")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
  command
      .add_option("--winograd", common.winograd,
                  "on: 3x3 convolutions on the CPU in a quarter of the products; off: the "
                  "direct sum, which in f32 rounds a third as much")
      ->check(CLI::IsMember({"on", "off"}))
      ->capture_default_str();
  command.parse_complete_callback([&common] {
    if (common.threads > 0) set_thread_count(common.threads);
    set_winograd(common.winograd == "on");
    try {
      cpu_class();
#if defined(HAS_VENDOR)
      vendor::mode();
#endif
    } catch (const std::runtime_error& e) {  // what AUTODIDACT_ISA or .._VENDOR says is the user's
      fail(ErrorKind::usage, e.what());
    }
  });
}

void add_device(CLI::App& command, Common& common) {
  command
      .add_option(
          "--device", common.device,
          "auto, cpu, cuda or, in the build for tests, emulated; auto: a GPU if it is usable")
      ->check(CLI::IsMember({"auto", "cpu", "cuda", "emulated"}))
      ->capture_default_str();
}

Device device_of(const Common& common, Progress& progress) {
  return choose_device(common.device, [&](const std::string& m) { progress.warn(m); });
}

nlohmann::ordered_json result_object(const std::string& command, const nlohmann::ordered_json& seed,
                                     const nlohmann::ordered_json& device,
                                     const nlohmann::ordered_json& protocol) {
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  return {{"command", command},
          {"seed", seed},
          {"seconds", seconds.count()},
          {"device", device},
          {"protocol", protocol}};
}

void print_result(const Common& common, const std::string& text,
                  const nlohmann::ordered_json& object) {
  // File names in results may be any bytes: replace what is not UTF-8 rather than fail.
  if (common.json)
    std::cout << object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
  else std::cout << text;
  if (!std::cout.flush())
    fail(ErrorKind::failure, "standard output cannot be written: the result is lost");
}

static int run(int argc, char** argv) {
  CLI::App app{"autodidact: self-supervised learning without Python"};
  app.name("autodidact");
  app.set_version_flag("--version", AUTODIDACT_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Examples:\n"
      "  autodidact demo\n"
      "  autodidact train rotation --recipe rotation-world-quick --out runs/rotation\n"
      "  autodidact evaluate linear --checkpoint runs/rotation\n"
      "  autodidact evaluate linear --checkpoint runs/rotation --untrained");
  app.formatter(std::make_shared<ExamplesFirst>());  // every command's
  app.get_formatter()->column_width(34);
  Common common;
  for (auto add :
       {add_adapt, add_bench, add_corrupt, add_data, add_demo, add_doctor, add_embed, add_evaluate,
        add_export, add_import, add_inspect, add_predict, add_recipes, add_reconstruct, add_train})
    add(app, common);
  refuse_empty_values(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() != 0)
      if (const std::string why = missing_subcommand(app); !why.empty())
        fail(ErrorKind::usage, why, " (--help explains them)");
    int code = app.exit(e, std::cout, std::cerr);
    return code == 0 ? 0 : int(ErrorKind::usage);
  }
  return 0;
}

}  // namespace autodidact

int main(int argc, char** argv) {
  using namespace autodidact;
  try {
    return run(argc, argv);
  } catch (const Error& e) {
    std::cerr << "autodidact: " << e.what() << '\n';
    return int(e.kind);
  } catch (const std::bad_alloc&) {
    std::cerr << "autodidact: out of memory\n";
  } catch (const std::exception& e) { std::cerr << "autodidact: " << e.what() << '\n'; }
  return int(ErrorKind::failure);
}
