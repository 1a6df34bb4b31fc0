#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/patches.cpp"
#include <hwy/foreach_target.h>
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>
#include "kernels/packet-inl.h"
#include "kernels/cpu_class.h"
#include "kernels/parallel.h"
#include "kernels/patches.h"

HWY_BEFORE_NAMESPACE();
namespace autodidact::HWY_NAMESPACE {

// The patch as floats, normalised where asked for.   target: [pixels], with room for whole vectors
template <class T>
void stage_target(float* target, const T* image, const PatchSizes& s, bool normalize) {
  const int row = s.size * s.channels, pixels = s.pixels();
  for (int i = 0; i < s.size; ++i)
    for (int j = 0; j < row; ++j)
      target[i * row + j] = float(image[int64_t(i) * s.width * s.channels + j]);
  if (!normalize) return;
  Packet total(0), squares(0);
  for_packets(0, pixels,
              [&](int64_t j, int lanes) HWY_ATTR { total = total + packet(target + j, lanes); });
  const Packet mean(double{sum(total) / float(pixels)});
  for_packets(0, pixels, [&](int64_t j, int lanes) HWY_ATTR {
    Packet d = first(packet(target + j, lanes) - mean, lanes);
    squares = fma(d, d, squares);
  });
  const float rstd = 1 / std::sqrt(sum(squares) / float(std::max(pixels - 1, 1)) + 1e-6f);
  for_packets(0, pixels, [&](int64_t j, int lanes) HWY_ATTR {
    store((packet(target + j, lanes) - mean) * Packet(double{rstd}), target + j, lanes);
  });
}

// sum over the pixels of (prediction - target)^2
template <class T>
float squared_error(const T* prediction, const float* target, int pixels) {
  Packet total(0);
  for_packets(0, pixels, [&](int64_t j, int lanes) HWY_ATTR {
    Packet d = packet(prediction + j, lanes) - packet(target + j, lanes);
    total = fma(d, d, total);
  });
  return sum(total);
}

template <class T>
void error_gradient(T* d, const T* prediction, const float* target, int pixels, float factor) {
  for_packets(0, pixels, [&](int64_t j, int lanes) HWY_ATTR {
    store((packet(prediction + j, lanes) - packet(target + j, lanes)) * Packet(double{factor}),
          d + j, lanes);
  });
}

}  // namespace autodidact::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace autodidact {
namespace plain {

template <class T>
void stage_target(Acc<T>* target, const T* image, const PatchSizes& s, bool normalize) {
  using A = Acc<T>;
  const int row = s.size * s.channels, pixels = s.pixels();
  for (int i = 0; i < s.size; ++i)
    for (int j = 0; j < row; ++j)
      target[i * row + j] = A(image[int64_t(i) * s.width * s.channels + j]);
  if (!normalize) return;
  A mean = 0, squares = 0;
  for (int j = 0; j < pixels; ++j) mean += target[j];
  mean /= A(pixels);
  for (int j = 0; j < pixels; ++j) squares += (target[j] - mean) * (target[j] - mean);
  const A rstd = 1 / sqrt(squares / A(std::max(pixels - 1, 1)) + A(1e-6));
  for (int j = 0; j < pixels; ++j) target[j] = (target[j] - mean) * rstd;
}

template <class T>
Acc<T> squared_error(const T* prediction, const Acc<T>* target, int pixels) {
  Acc<T> total = 0;
  for (int j = 0; j < pixels; ++j)
    total += (Acc<T>(prediction[j]) - target[j]) * (Acc<T>(prediction[j]) - target[j]);
  return total;
}

template <class T>
void error_gradient(T* d, const T* prediction, const Acc<T>* target, int pixels, Acc<T> factor) {
  for (int j = 0; j < pixels; ++j) d[j] = T((Acc<T>(prediction[j]) - target[j]) * factor);
}

}  // namespace plain

void run(Cpu, DrawMask p) {
  parallel_for(p.samples, 8, [&](int64_t begin, int64_t end) {
    std::vector<uint64_t> keys(size_t(p.patches));  // the patch's number decides between equal keys
    for (int64_t n = begin; n < end; ++n) {
      for (int i = 0; i < p.patches; i += 4) {
        const Philox4 r = philox(p.seed, (uint64_t(p.stream) << 32) | p.epoch,
                                 (uint64_t(p.indices[n]) << 14) | uint64_t(i >> 2));
        for (int j = i; j < std::min(i + 4, p.patches); ++j)
          keys[size_t(j)] = (uint64_t(r.v[j - i]) << 16) | uint64_t(j);
      }
      std::nth_element(keys.begin(), keys.begin() + p.kept, keys.end());
      int32_t *place = p.place + n * p.patches, *visible = p.visible + n * p.kept;
      std::fill_n(place, p.patches, -1);
      for (int i = 0; i < p.kept; ++i) place[keys[size_t(i)] & 0xffff] = 0;
      int32_t next = 0;
      for (int i = 0; i < p.patches; ++i)
        if (place[i] == 0) visible[next] = i, place[i] = next++;
    }
  });
}

// Rows of pixels are moved as they are; one body for every class.
template <class T>
void run(Cpu, GatherPatches<T> p) {
  const PatchSizes& s = p.sizes;
  const int row = s.size * s.channels;
  parallel_for(s.samples, 4, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n)
      for (int i = 0; i < p.kept; ++i) {
        const T* from = p.images + patch_offset(s, n, p.visible ? p.visible[n * p.kept + i] : i);
        T* to = p.y + (n * p.kept + i) * s.pixels();
        for (int r = 0; r < s.size; ++r)
          std::copy_n(from + int64_t(r) * s.width * s.channels, row, to + r * row);
      }
  });
}

template <class T>
void run(Cpu, GatherPatchesBackward<T> p) {
  const PatchSizes& s = p.sizes;
  const int row = s.size * s.channels, patches = s.patches();
  parallel_for(s.samples, 4, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n)
      for (int i = 0; i < patches; ++i) {
        const int place = p.place ? p.place[n * patches + i] : i;
        T* to = p.dimages + patch_offset(s, n, i);
        for (int r = 0; r < s.size; ++r, to += int64_t(s.width) * s.channels) {
          if (place < 0) std::fill_n(to, row, T(0.0f));
          else std::copy_n(p.dy + (n * p.kept + place) * s.pixels() + r * row, row, to);
        }
      }
  });
}

template <class T>
void run(Cpu, PatchLossForward<T> p) {
  using A = Acc<T>;
  auto stage = plain::stage_target<T>;
  auto error = plain::squared_error<T>;
  if constexpr (!std::is_same_v<T, double>) {
    stage = for_cpu_class(stage, &N_AVX2::stage_target<T>, &N_AVX3::stage_target<T>);
    error = for_cpu_class(error, &N_AVX2::squared_error<T>, &N_AVX3::squared_error<T>);
  }
  const PatchSizes& s = p.sizes;
  const int pixels = s.pixels(), patches = s.patches();
  Scratch<A> scratch(p.patch_loss ? 0 : int64_t(s.samples) * patches);
  A* losses = p.patch_loss ? p.patch_loss : scratch.data();
  parallel_for(s.samples, 4, [&](int64_t begin, int64_t end) {
    Scratch<A> target(pixels);
    for (int64_t n = begin; n < end; ++n)
      for (int i = 0; i < patches; ++i) {
        A& loss = losses[n * patches + i];
        loss = 0;
        if (p.place[n * patches + i] >= 0) continue;
        stage(target.data(), p.images + patch_offset(s, n, i), s, p.normalize);
        const T* prediction = p.prediction + (n * (p.prefix + patches) + p.prefix + i) * pixels;
        loss = error(prediction, target.data(), pixels) / A(pixels);
      }
  });
  double total = 0;
  for (int64_t i = 0; i < int64_t(s.samples) * patches; ++i) total += double(losses[i]);
  *p.loss = A(total / (double(s.samples) * p.hidden));
}

template <class T>
void run(Cpu, PatchLossBackward<T> p) {
  using A = Acc<T>;
  auto stage = plain::stage_target<T>;
  auto gradient = plain::error_gradient<T>;
  if constexpr (!std::is_same_v<T, double>) {
    stage = for_cpu_class(stage, &N_AVX2::stage_target<T>, &N_AVX3::stage_target<T>);
    gradient = for_cpu_class(gradient, &N_AVX2::error_gradient<T>, &N_AVX3::error_gradient<T>);
  }
  const PatchSizes& s = p.sizes;
  const int pixels = s.pixels(), patches = s.patches();
  const A factor = A(2 * double(*p.dloss) / (double(s.samples) * p.hidden * pixels));
  parallel_for(s.samples, 4, [&](int64_t begin, int64_t end) {
    Scratch<A> target(pixels);
    for (int64_t n = begin; n < end; ++n)
      for (int i = -p.prefix; i < patches; ++i) {
        const int64_t row = (n * (p.prefix + patches) + p.prefix + i) * pixels;
        if (i < 0 || p.place[n * patches + i] >= 0) {
          std::fill_n(p.dprediction + row, pixels, T(0.0f));
          continue;
        }
        stage(target.data(), p.images + patch_offset(s, n, i), s, p.normalize);
        gradient(p.dprediction + row, p.prediction + row, target.data(), pixels, factor);
      }
  });
}

#define INSTANCES(T)                                \
  template void run(Cpu, GatherPatches<T>);         \
  template void run(Cpu, GatherPatchesBackward<T>); \
  template void run(Cpu, PatchLossForward<T>);      \
  template void run(Cpu, PatchLossBackward<T>);
INSTANCES(float)
INSTANCES(bf16)
INSTANCES(double)

}  // namespace autodidact
#endif
