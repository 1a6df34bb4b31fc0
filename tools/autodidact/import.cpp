// autodidact import: torchvision's weights as a checkpoint that evaluate, embed and predict take.
#include <fmt/format.h>
#include <memory>
#include "tools/autodidact/command.h"
#include "train/data/bytes.h"
#include "train/exchange.h"

namespace autodidact {
namespace {

struct Options {
  std::string weights, model, out;
  std::vector<std::string> sets;
  int64_t side = 0;
  bool overwrite = false;
};

void run_import(const Common& common, const Options& o) {
  refuse_existing(o.out, o.overwrite);
  Recipe recipe;
  for (const std::string& s : o.sets) recipe.set(s);
  recipe.set("model", o.model);
  recipe.set("image_size", o.side);
  Exchanged e = import_weights(o.out, o.weights, recipe);
  auto object = result_object("import", nullptr, nullptr, nullptr);
  object.update(
      {{"out", o.out}, {"model", o.model}, {"tensors", e.tensors}, {"parameters", e.parameters}});
  print_result(common,
               fmt::format("{}: {} tensors, {} parameters\n", o.out, e.tensors, e.parameters),
               object);
}

}  // namespace

void add_import(CLI::App& app, Common& common) {
  auto o = std::make_shared<Options>();
  CLI::App* c = app.add_subcommand("import", "other programs' weights as a checkpoint");
  c->footer(
      "Example, torchvision's ResNet-18:\n"
      "  autodidact import resnet18.safetensors --model resnet18 --image-size 224 "
      "--set imagenet_stem=true --set normalization=imagenet --out "
      "resnet18-checkpoint.safetensors");
  c->add_option("FILE", o->weights, "a safetensors file with exactly the network's tensors")
      ->required();
  c->add_option("--model", o->model, "network, as a recipe's key of that name")->required();
  c->add_option("--image-size", o->side, "pixels a side of its pictures")
      ->check(CLI::Range(1, 1024))
      ->required();
  c->add_option("--set", o->sets, "key=value: width, groups, imagenet_stem, normalization, ...")
      ->take_all();
  c->add_option("--out", o->out, "the checkpoint, a safetensors file")->required();
  c->add_flag("--overwrite", o->overwrite, "replace what is there");
  add_common(*c, common);
  c->callback([o, &common] { run_import(common, *o); });
}

}  // namespace autodidact
