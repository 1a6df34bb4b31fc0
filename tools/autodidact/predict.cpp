// autodidact predict: what a network's own head says of pictures. Classes for a supervised network,
// quarter turns for a rotation network.
#include <fmt/format.h>
#include <algorithm>
#include <memory>
#include <numeric>
#include "engine/ops.h"
#include "tools/autodidact/command.h"
#include "train/data/image_file.h"
#include "train/data/names.h"
#include "train/evaluate/subject.h"

namespace autodidact {
namespace {

using Json = nlohmann::ordered_json;

struct Options {
  std::string checkpoint;
  std::vector<std::string> images;
  int top = 3;
};

std::vector<uint8_t> square_pixels(const std::string& path, int side) {
  std::vector<uint8_t> pixels(size_t(side) * size_t(side) * 3);
  resize_square(pixels.data(), side, read_image(path, {}, side));
  return pixels;
}

void run_predict(const Common& common, const Options& o) {
  Progress progress(common.quiet ? Loudness::quiet : Loudness::normal);
  LoadedMethod loaded = load_method(o.checkpoint, device_of(common, progress));
  const std::vector<std::string> outputs = loaded.method->outputs();
  if (outputs.empty())
    fail(ErrorKind::usage, "predict: ", printable(o.checkpoint), " has no head that predicts (",
         loaded.name, "); `autodidact embed` writes its features");
  Subject subject = subject_of(loaded);
  std::string text;
  Json results = Json::array();
  for (const std::string& path : o.images) {
    std::vector<uint8_t> pixels = square_pixels(path, loaded.side);
    Tensor x = normalize(pixels.data(), 1, loaded.side, subject.normalization, Dtype::f32,
                         loaded.method->device());
    Tensor p = to_device(softmax(loaded.method->logits(x)), Device::cpu);
    const float* probability = ptr<float>(p);
    std::vector<size_t> order(outputs.size());
    std::iota(order.begin(), order.end(), size_t(0));
    std::stable_sort(order.begin(), order.end(),
                     [&](size_t a, size_t b) { return probability[a] > probability[b]; });
    text += printable(path);
    Json row = {{"image", path}, {"predicted", outputs[order[0]]}};
    for (size_t i = 0; i < order.size(); ++i) {
      row["probabilities"][outputs[order[i]]] = probability[order[i]];
      if (int(i) < o.top)
        text += fmt::format("  {} {:.3f}", printable(outputs[order[i]]), probability[order[i]]);
    }
    text += "\n";
    results.push_back(row);
  }
  const std::string protocol = fmt::format("{}; central square resized to {}x{}; {}", subject.what,
                                           loaded.side, loaded.side, loaded.method->prediction());
  Json object =
      result_object("predict", loaded.seed, device_name(loaded.method->device()), protocol);
  object["results"] = results;
  print_result(common, text + "protocol: " + protocol + "\n", object);
}

}  // namespace

void add_predict(CLI::App& app, Common& common) {
  auto o = std::make_shared<Options>();
  CLI::App* c = app.add_subcommand("predict", "what a network's head says of pictures");
  c->footer(
      "Examples:\n"
      "  autodidact predict --checkpoint runs/supervised cat.jpg dog.png\n"
      "  autodidact predict --checkpoint runs/rotation --json turned.jpg");
  c->add_option("--checkpoint", o->checkpoint, "checkpoint or run directory")->required();
  c->add_option("IMAGE", o->images, "image files")->required();
  c->add_option("--top", o->top, "show so many outputs")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  add_device(*c, common);
  add_common(*c, common);
  c->callback([o, &common] { run_predict(common, *o); });
}

}  // namespace autodidact
