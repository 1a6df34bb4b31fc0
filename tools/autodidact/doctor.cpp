// autodidact doctor: versions, CPU class, GPU and libraries; what will be used, and why.
#include <fmt/core.h>
#include "kernels/cpu_class.h"
#include "tools/autodidact/command.h"
#include "train/environment.h"

namespace autodidact {
namespace {

void run_doctor(const Common& common) {
  nlohmann::ordered_json e = environment();
  auto text_of = [](const nlohmann::ordered_json& j) { return j.get<std::string>(); };
  auto& cpu = e["cpu"];
  auto& gpu = e["gpu"];
  std::string kind = text_of(cpu["class"]), best = text_of(cpu["best_class"]);
  std::string text = fmt::format("autodidact {}, {}, {}\n", text_of(e["version"]),
                                 text_of(e["compiler"]), text_of(e["build"]));
  text += fmt::format("system     {} on {}\n", text_of(e["system"]), text_of(e["host"]));
  text += fmt::format("CPU        {}\n", text_of(cpu["model"]));
  text +=
      fmt::format("class      {}{}\n", kind,
                  kind == best ? "" : " (as AUTODIDACT_ISA asks; this CPU's own is " + best + ")");
  text += fmt::format("bf16       {}\n", kind == name(CpuClass::avx512_bf16)
                                             ? "products of matrices by vdpbf16ps; sums are f32"
                                             : "for storage; sums and products are f32");
  text += fmt::format("threads    {}\n", cpu["threads"].get<int>());
  text += fmt::format("memory     {:.1f} GiB\n", e["memory_bytes"].get<double>() / double(1 << 30));
  bool usable = gpu["usable"].get<bool>(), emulated = e["device_code"] == "EMULATED";
  std::string use = !usable    ? "not used: " + text_of(gpu["reason"])
                    : emulated ? "emulated, for tests: used with --device emulated alone"
                               : fmt::format("{} usable", gpu["count"].get<int>());
  text += fmt::format("GPU        {}{}\n", use,
                      gpu["driver"].is_null() ? "" : " (driver: " + text_of(gpu["driver"]) + ")");
  std::string separator = "vendor     ";
  for (auto& l : gpu["vendor"]) {
    text += fmt::format("{}{} {}", separator, text_of(l["name"]), text_of(l["version"]));
    if (!l["used"].get<bool>())
      text += fmt::format("{}not used: {}", text.back() == ' ' ? "" : " ", text_of(l["reason"]));
    separator = "; ";
  }
  if (!gpu["vendor"].empty()) text += "\n";
  text += "libraries ";
  for (auto& [name, version] : e["libraries"].items())
    text += fmt::format(" {} {}", name, text_of(version));
  auto object = result_object("doctor", nullptr, usable && !emulated ? "cuda" : "cpu", nullptr);
  object.update(e);
  print_result(common, text + "\n", object);
}

}  // namespace

void add_doctor(CLI::App& app, Common& common) {
  CLI::App* c = app.add_subcommand(
      "doctor", "versions, CPU class, GPU, libraries: what will be used, and why");
  c->footer("Example:\n  autodidact doctor --json");
  add_common(*c, common);
  c->callback([&common] { run_doctor(common); });
}

}  // namespace autodidact
