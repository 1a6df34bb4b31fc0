// What Vision Transformers and masked autoencoders are made of beside products: attention, and the
// arrangement of patches and tokens, each beside the chain of ops that it takes the place of.
#include <cmath>
#include <numeric>
#include "bench/cases/case.h"
#include "kernels/attention.h"
#include "kernels/elementwise.h"
#include "kernels/patches.h"
#include "kernels/rows.h"
#include "kernels/tokens.h"

namespace autodidact {
namespace {

template <class T>
BenchWork attention(const BenchShape& s, Device device) {
  const int64_t n = s.product({"B", "T", "H", "D"}), lse = s.product({"B", "T", "H"});
  BenchMemory m(device);
  return m.work(AttentionForward<T>{m.numbers<T>(n), m.numbers<float>(lse), m.numbers<T>(3 * n),
                                    s["B"], s["T"], s["H"], s["D"]},
                4 * double(n) * s["T"], 4 * double(n) * sizeof(T));
}
template <class T>
BenchWork attention_backward(const BenchShape& s, Device device) {
  const int64_t n = s.product({"B", "T", "H", "D"}), lse = s.product({"B", "T", "H"});
  BenchMemory m(device);
  return m.work(AttentionBackward<T>{m.numbers<T>(3 * n), m.numbers<T>(n), m.numbers<T>(n),
                                     m.numbers<T>(3 * n), m.filled<float>(lse, 4), s["B"], s["T"],
                                     s["H"], s["D"]},
                10 * double(n) * s["T"], 8 * double(n) * sizeof(T));
}

// N samples of T patches, KEPT of which are visible (the same in each: every T / KEPT-th), C
// channels.
struct Masked {
  int samples, patches, kept, channels;
  std::vector<int32_t> visible, place;       // as kernels/patches.h draws them
  std::vector<int64_t> visible_rows, order;  // the same for a table of all samples' rows
  explicit Masked(const BenchShape& s)
      : samples(s["N"]), patches(s["T"]), kept(s["KEPT"]), channels(s["C"]) {
    if (kept > patches) fail(ErrorKind::usage, "bench: KEPT must be at most T, got ", s.text());
    for (int n = 0; n < samples; ++n) {
      int next = 0, hidden = kept;
      for (int t = 0; t < patches; ++t) {
        const bool stays = next < kept && t == int(int64_t(next) * patches / kept);
        place.push_back(stays ? next : -1);
        order.push_back(int64_t(n) * patches + (stays ? next : hidden++));
        if (!stays) continue;
        visible.push_back(t), visible_rows.push_back(int64_t(n) * patches + t);
        ++next;
      }
    }
  }
  int64_t all() const { return int64_t(samples) * patches * channels; }
  int64_t of_kept() const { return int64_t(samples) * kept * channels; }
  TokenSizes sizes() const { return {samples, patches, kept, channels, 0}; }
};

template <class T>
BenchWork embed_tokens(const BenchShape& s, Device device) {
  const Masked k(s);
  BenchMemory m(device);
  return m.work(
      EmbedTokens<T>{m.numbers<T>(k.of_kept()), m.numbers<T>(k.of_kept()), nullptr,
                     m.numbers<float>(int64_t(k.patches) * k.channels), m.of(k.visible), k.sizes()},
      0, 2 * double(k.of_kept()) * sizeof(T) + 4.0 * k.patches * k.channels);
}
// Positions added to all tokens, then the visible ones gathered (the released MAE's order).
BenchWork embed_tokens_chain(const BenchShape& s, Device device) {
  const Masked k(s);
  const int64_t period = int64_t(k.patches) * k.channels;
  BenchMemory m(device);
  float *x = m.numbers<float>(k.all()), *placed = m.numbers<float>(k.all());
  return m.work(
      std::tuple(BinaryForward<Add, float>{placed, x, m.numbers<float>(period), k.all(), period},
                 GatherRows<float>{m.numbers<float>(k.of_kept()), placed, m.of(k.visible_rows),
                                   int64_t(k.samples) * k.patches, k.samples * k.kept, k.channels}),
      0, double(2 * k.all() + 2 * k.of_kept()) * 4 + 4.0 * double(period));
}

template <class T>
BenchWork unshuffle(const BenchShape& s, Device device) {
  const Masked k(s);
  BenchMemory m(device);
  return m.work(
      Unshuffle<T>{m.numbers<T>(k.all()), m.numbers<T>(k.of_kept()), m.numbers<T>(k.channels),
                   m.numbers<float>(int64_t(k.patches) * k.channels), m.of(k.place), k.sizes()},
      0, double(k.all() + k.of_kept()) * sizeof(T) + 4.0 * k.patches * k.channels);
}
// Mask tokens put behind the visible tokens, all tokens gathered into their places, positions
// added.
BenchWork unshuffle_chain(const BenchShape& s, Device device) {
  const Masked k(s);
  const int64_t tokens = int64_t(k.samples) * k.patches, period = int64_t(k.patches) * k.channels;
  const int64_t mask_row = int64_t(k.samples) * k.kept;  // the table's last: the mask token
  std::vector<int64_t> behind;
  for (int64_t n = 0; n < k.samples; ++n)
    for (int64_t t = 0; t < k.patches; ++t)
      behind.push_back(t < k.kept ? n * k.kept + t : mask_row);
  BenchMemory m(device);
  float *joined = m.numbers<float>(k.all()), *ordered = m.numbers<float>(k.all());
  return m.work(
      std::tuple(GatherRows<float>{joined, m.numbers<float>(k.of_kept() + k.channels), m.of(behind),
                                   mask_row + 1, int(tokens), k.channels},
                 GatherRows<float>{ordered, joined, m.of(k.order), tokens, int(tokens), k.channels},
                 BinaryForward<Add, float>{m.numbers<float>(k.all()), ordered,
                                           m.numbers<float>(period), k.all(), period}),
      0, double(5 * k.all() + k.of_kept()) * 4 + 4.0 * double(period));
}

template <class T>
BenchWork gather_patches(const BenchShape& s, Device device) {
  const int side = s["S"], patch = s["PATCH"];
  if (side % patch != 0)
    fail(ErrorKind::usage, "bench: PATCH must divide the side S, got ", s.text());
  const PatchSizes sizes{s["N"], side, side, 3, patch};
  const int kept = std::max(1, sizes.patches() / 4);
  std::vector<int32_t> visible;
  for (int n = 0; n < s["N"]; ++n)
    for (int i = 0; i < kept; ++i) visible.push_back(i * sizes.patches() / kept);
  const int64_t y = int64_t(s["N"]) * kept * sizes.pixels();
  BenchMemory m(device);
  return m.work(GatherPatches<T>{m.numbers<T>(y), m.numbers<T>(3 * s.product({"N", "S", "S"})),
                                 m.of(visible), sizes, kept},
                0, 2 * double(y) * sizeof(T));
}

BenchWork draw_mask(const BenchShape& s, Device device) {
  std::vector<int64_t> indices(static_cast<size_t>(s["N"]));
  std::iota(indices.begin(), indices.end(), 0);
  if (s["KEPT"] > s["T"]) fail(ErrorKind::usage, "bench: KEPT must be at most T, got ", s.text());
  const int64_t visible = s.product({"N", "KEPT"}), place = s.product({"N", "T"});
  BenchMemory m(device);
  return m.work(DrawMask{m.filled<int32_t>(visible, 0), m.filled<int32_t>(place, 0), m.of(indices),
                         s["N"], s["T"], s["KEPT"], kBenchSeed, 1, 0},
                0, 4.0 * double(visible + place));
}

BenchShape heads(int b, int t, int h, int d) { return {{"B", b}, {"T", t}, {"H", h}, {"D", d}}; }
BenchShape masked(int n, int t, int kept, int c) {
  return {{"N", n}, {"T", t}, {"KEPT", kept}, {"C", c}};
}

}  // namespace

std::vector<BenchKernel> token_benches() {
  const std::vector<BenchShape> attended = {heads(128, 65, 3, 64), heads(128, 17, 3, 64),
                                            heads(16, 197, 12, 64), heads(16, 257, 16, 64)};
  const std::vector<BenchShape> tokens = {masked(256, 196, 49, 192), masked(256, 64, 16, 192)};
  const std::vector<BenchShape> pictures = {{{"N", 64}, {"S", 224}, {"PATCH", 16}},
                                            {{"N", 256}, {"S", 32}, {"PATCH", 4}}};
  return {{"attention", "B samples of T tokens, H heads of D channels", attended, attention<float>,
           attention<bf16>},
          {"attention_backward", "the gradients of queries, keys and values", attended,
           attention_backward<float>, attention_backward<bf16>},
          {"draw_mask",
           "KEPT of T patches of N pictures",
           {{{"N", 256}, {"T", 196}, {"KEPT", 49}}},
           draw_mask},
          {"gather_patches", "a quarter of the patches, PATCH x PATCH, of N pictures S x S",
           pictures, gather_patches<float>, gather_patches<bf16>},
          {"embed_tokens", "positions added to the KEPT visible tokens of N samples of T", tokens,
           embed_tokens<float>, embed_tokens<bf16>},
          {"embed_tokens_chain", "by ops: positions added to all T, then the visible gathered",
           tokens, embed_tokens_chain},
          {"unshuffle", "KEPT tokens and mask tokens in their places among T, positions added",
           tokens, unshuffle<float>, unshuffle<bf16>},
          {"unshuffle_chain", "by ops: mask tokens appended, all gathered, positions added", tokens,
           unshuffle_chain}};
}

}  // namespace autodidact
