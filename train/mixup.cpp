#include "train/mixup.h"
#include <algorithm>
#include <cmath>
#include <numbers>
#include "engine/dispatch.h"
#include "engine/random.h"

namespace autodidact {

void MixKeys::visit(Keys& k) {
  k("mixup", mixup, "alpha of mixup: a batch's share is drawn from Beta(alpha, alpha); 0: none",
    0.0, 100.0);
  k("cutmix", cutmix,
    "alpha of CutMix; 0: none; where mixup is there too, each batch has either, at equal odds", 0.0,
    100.0);
}

// Beta(a, a) from two uniform numbers, u in (0, 1]: with T of Student's t distribution with 2a
// degrees of freedom (Bailey 1994), 1/2 + T / (2 sqrt(2a + T^2)).
static double symmetric_beta(double a, double u, double v) {
  const double t = std::sqrt(std::pow(u, -1 / a) - 1) * std::cos(2 * std::numbers::pi * v);
  return 0.5 + 0.5 * std::copysign(1 / std::sqrt(1 + 1 / (t * t)), t);  // T = t sqrt(2a)
}

Mix cutmix_box(double share, int row, int col, int side) {
  const int half = int(side * std::sqrt(1 - share)) / 2;
  auto inside = [&](int at) { return std::clamp(at, 0, side); };
  Mix m{inside(row - half), inside(row + half), inside(col - half), inside(col + half), 0, 0};
  m.share = 1 - float((m.bottom - m.top) * (m.right - m.left)) / float(side * side);
  return m;
}

Mix draw_mix(const MixKeys& keys, uint64_t seed, const Batch& batch) {
  const uint64_t stream = (uint64_t(Stream::mix) << 32) | uint32_t(batch.epoch);
  const uint64_t number = uint64_t(batch.index) << 1;
  const Philox4 r = philox(seed, stream, number), place = philox(seed, stream, number | 1);
  const bool cut = keys.mixup > 0 && keys.cutmix > 0 ? uniform(r.v[0]) < 0.5f : keys.cutmix > 0;
  const double share =
      symmetric_beta(cut ? keys.cutmix : keys.mixup, 1 - uniform(r.v[1]), uniform(r.v[2]));
  const int side = batch.side;
  if (cut)
    return cutmix_box(share, int(below(place.v[0], uint32_t(side))),
                      int(below(place.v[1], uint32_t(side))), side);
  return {0, side, 0, side, float(share), float(share)};
}

void mix(NetworkInput& in, const Mix& m, std::vector<int32_t> labels) {
  const int N = in.x.shape[0], side = in.x.shape[1];
  dispatch(in.x, [&]<class T>(auto queue, T) {
    run(queue, MixPictures<T>{ptr<T>(in.x), N, side, in.x.shape[3], m.top, m.bottom, m.left,
                              m.right, m.keep});
  });
  ++in.x.buffer->version;
  std::reverse(labels.begin(), labels.end());
  make_once(in.partners, {N}, Dtype::i32, in.x.device());
  fill_from_host(in.partners, labels.data());
  const float shares[] = {m.share, 1 - m.share};
  make_once(in.shares, {2}, Dtype::f32, in.x.device());
  fill_from_host(in.shares, shares);
}

}  // namespace autodidact
