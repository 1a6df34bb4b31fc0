// Parity with PyTorch and torchvision: losses and gradients as the papers' code has them, and views
// for given drawn parameters. tests/parity/contrastive.py made the files.
#include <doctest/doctest.h>
#include <cmath>
#include "engine/ops.h"
#include "engine/safetensors.h"
#include "kernels/view.h"

using namespace autodidact;

namespace {

TensorFile golden(const std::string& name) {
  return read_safetensors(SOURCE_DIR "/tests/parity/contrastive/" + name + ".safetensors");
}

// Row 4 of the contract: 1e-5, relative to the largest number of the tensor.
void check_close(const char* what, const Tensor& ours, const Tensor& theirs) {
  REQUIRE(ours.size() == theirs.size());
  double worst = 0, largest = 0;
  for (int64_t i = 0; i < ours.size(); ++i) {
    const double a = double(ptr<float>(ours)[i]), b = double(ptr<float>(theirs)[i]);
    worst = std::isnan(a) ? INFINITY : std::max(worst, std::abs(a - b));
    largest = std::max(largest, std::abs(b));
  }
  CHECK_MESSAGE(worst <= 1e-5 * largest, what << ": differs by " << worst << " of " << largest);
}

}  // namespace

TEST_CASE("contrastive parity: NT-Xent, InfoNCE over a queue and the non-parametric softmax") {
  TensorFile f = golden("losses");
  const float temperature = std::stof(f.metadata.at("temperature"));
  Tensor h = leaf(f.tensors.at("simclr.h"));
  Tensor loss = nt_xent(l2_normalize(h), temperature);
  backward(loss);
  check_close("simclr loss", loss, f.tensors.at("simclr.loss"));
  check_close("simclr gradient", h.node->grad, f.tensors.at("simclr.dh"));

  Tensor q = leaf(f.tensors.at("moco.q"));
  loss = infonce(l2_normalize(q), f.tensors.at("moco.k"), f.tensors.at("moco.queue"), temperature);
  backward(loss);
  check_close("moco loss", loss, f.tensors.at("moco.loss"));
  check_close("moco gradient", q.node->grad, f.tensors.at("moco.dq"));

  Tensor v = leaf(f.tensors.at("npid.v"));
  loss = nonparametric_softmax(l2_normalize(v), f.tensors.at("npid.bank"),
                               f.tensors.at("npid.index"), temperature);
  backward(loss);
  check_close("npid loss", loss, f.tensors.at("npid.loss"));
  check_close("npid gradient", v.node->grad, f.tensors.at("npid.dv"));
}

TEST_CASE("contrastive parity: views are torchvision's for the same drawn parameters") {
  TensorFile f = golden("views");
  const Tensor &picture = f.tensors.at("picture"), &theirs = f.tensors.at("views");
  const int views = theirs.shape[0], size = theirs.shape[1];
  REQUIRE(views >= 15);
  const float mean[] = {0.4914f, 0.4822f, 0.4465f}, std[] = {0.2023f, 0.1994f, 0.2010f};
  for (int n = 0; n < views; ++n) {
    const float* row = ptr<float>(f.tensors.at("draws")) + n * f.tensors.at("draws").shape[1];
    ViewDraw d{};
    d.top = int(row[0]), d.left = int(row[1]), d.height = int(row[2]), d.width = int(row[3]);
    d.brightness = row[4], d.contrast = row[5], d.saturation = row[6], d.hue = row[7];
    d.sigma = row[8];
    for (int i = 0; i < 4; ++i) d.order[i] = ColourOp(int(row[9 + i]));
    d.flip = row[13] != 0, d.jitter = row[14] != 0, d.grey = row[15] != 0;
    d.solarize = row[16] != 0;
    Tensor ours = empty({size, size, 3});
    RenderViews<float> p{};
    p.y = ptr<float>(ours), p.images = ptr<uint8_t>(picture), p.draws = &d, p.views = 1;
    p.height = picture.shape[0], p.width = picture.shape[1], p.size = size;
    p.cubic = row[17] != 0, p.blur_window = int(row[18]);
    std::copy_n(mean, 3, p.mean), std::copy_n(std, 3, p.std);
    run(Cpu{}, p);
    double worst = 0;  // in the picture's own units
    for (int64_t i = 0; i < ours.size(); ++i) {
      const double difference =
          double(ptr<float>(ours)[i] - ptr<float>(theirs)[n * ours.size() + i]);
      worst = std::max(worst, std::abs(difference) * double(std[i % 3]));
    }
    CHECK_MESSAGE(worst <= 1.0 / 255, "view " << n << ": differs by " << 255 * worst << " / 255");
  }
}
