// autodidact export: a checkpoint's weights alone, for torchvision and everybody else.
#include <fmt/format.h>
#include <memory>
#include "tools/autodidact/command.h"
#include "train/data/bytes.h"
#include "train/data/names.h"
#include "train/exchange.h"

namespace autodidact {
namespace {

struct Options {
  std::string checkpoint, part = "all", out;
  bool overwrite = false;
};

void run_export(const Common& common, const Options& o) {
  if (!o.out.ends_with(".safetensors"))
    fail(ErrorKind::usage, "export: the file must end in .safetensors, got ", printable(o.out));
  refuse_existing(o.out, o.overwrite);
  Exchanged e = export_weights(o.out, o.checkpoint, o.part == "encoder");
  auto object = result_object("export", nullptr, nullptr, nullptr);
  object.update(
      {{"out", o.out}, {"part", o.part}, {"tensors", e.tensors}, {"parameters", e.parameters}});
  print_result(common,
               fmt::format("{}: {} tensors, {} parameters{}\n", o.out, e.tensors, e.parameters,
                           o.part == "encoder" ? " (without " + e.head + ")" : ""),
               object);
}

}  // namespace

void add_export(CLI::App& app, Common& common) {
  auto o = std::make_shared<Options>();
  CLI::App* c = app.add_subcommand("export", "a checkpoint's weights alone, for other programs");
  c->footer(
      "Examples:\n"
      "  autodidact export --checkpoint runs/supervised --out resnet18.safetensors\n"
      "  autodidact export --checkpoint runs/rotation --part encoder --out encoder.safetensors\n"
      "In Python: model.load_state_dict(safetensors.torch.load_file(\"resnet18.safetensors\"))");
  c->add_option("--checkpoint", o->checkpoint, "checkpoint or run directory")->required();
  c->add_option("--part", o->part, "all: with the head; encoder: without it")
      ->check(CLI::IsMember({"encoder", "all"}))
      ->capture_default_str();
  c->add_option("--out", o->out, "a safetensors file")->required();
  c->add_flag("--overwrite", o->overwrite, "replace what is there");
  add_common(*c, common);
  c->callback([o, &common] { run_export(common, *o); });
}

}  // namespace autodidact
