// Rows of channels moved and added. Sums over the samples (class token, mask token, positions) are
// taken a chunk of samples at a time and added in the chunks' order.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/tokens.cpp"
#include <hwy/foreach_target.h>
#include <algorithm>
#include "kernels/packet-inl.h"
#include "kernels/cpu_class.h"
#include "kernels/parallel.h"
#include "kernels/tokens.h"

HWY_BEFORE_NAMESPACE();
namespace autodidact::HWY_NAMESPACE {

// y = x + pos
template <class T>
void add_row(T* y, const T* x, const float* pos, int channels) {
  for_packets(0, channels, [&](int64_t c, int lanes) HWY_ATTR {
    store(packet(x + c, lanes) + packet(pos + c, lanes), y + c, lanes);
  });
}

// sum += x
template <class T>
void accumulate_row(float* sum, const T* x, int channels) {
  for_packets(0, channels, [&](int64_t c, int lanes) HWY_ATTR {
    store(packet(sum + c, lanes) + packet(x + c, lanes), sum + c, lanes);
  });
}

}  // namespace autodidact::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace autodidact {
namespace plain {

template <class T>
void add_row(T* y, const T* x, const Acc<T>* pos, int channels) {
  for (int c = 0; c < channels; ++c) y[c] = T(Acc<T>(x[c]) + pos[c]);
}

template <class T>
void accumulate_row(Acc<T>* sum, const T* x, int channels) {
  for (int c = 0; c < channels; ++c) sum[c] += Acc<T>(x[c]);
}

}  // namespace plain

namespace {

constexpr int64_t kGrain = 16;  // samples a chunk

template <class T>
auto add_row() {
  auto row = plain::add_row<T>;
  if constexpr (!std::is_same_v<T, double>)
    row = for_cpu_class(row, &N_AVX2::add_row<T>, &N_AVX3::add_row<T>);
  return row;
}

template <class T>
auto accumulate_row() {
  auto row = plain::accumulate_row<T>;
  if constexpr (!std::is_same_v<T, double>)
    row = for_cpu_class(row, &N_AVX2::accumulate_row<T>, &N_AVX3::accumulate_row<T>);
  return row;
}

// Sums of rows over all samples.   of_sample(n, token, pos): adds sample n's rows to a chunk's
// sums; token [channels] and pos [positions, channels] are null where they are not wanted.
template <class T, class OfSample>
void sum_over_samples(Acc<T>* dtoken, Acc<T>* dpos, const TokenSizes& s, OfSample of_sample) {
  using A = Acc<T>;
  const int64_t C = s.channels, token = dtoken ? C : 0;
  const int64_t pos = dpos ? (int64_t(s.prefix) + s.patches) * C : 0, size = token + pos;
  if (size == 0) return;
  const int64_t chunks = chunk_count(s.samples, kGrain);
  Scratch<A> sums(chunks * size);
  for_chunks(s.samples, kGrain, [&](int64_t k, int64_t begin, int64_t end) {
    A* sum = sums.data() + k * size;
    std::fill_n(sum, size, A(0));
    for (int64_t n = begin; n < end; ++n)
      of_sample(n, token ? sum : nullptr, pos ? sum + token : nullptr);
  });
  parallel_for(size, 256, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      double total = 0;
      for (int64_t k = 0; k < chunks; ++k) total += double(sums[k * size + i]);
      (i < token ? dtoken[i] : dpos[i - token]) = A(total);
    }
  });
}

}  // namespace

template <class T>
void run(Cpu, EmbedTokens<T> p) {
  const auto add = add_row<T>();
  const TokenSizes& s = p.sizes;
  const int C = s.channels;
  parallel_for(s.samples, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      T* y = p.y + n * (s.prefix + s.kept) * C;
      if (s.prefix) add(y, p.class_token, p.pos, C), y += C;
      for (int i = 0; i < s.kept; ++i, y += C) {
        const int64_t patch = p.visible ? p.visible[n * s.kept + i] : i;
        add(y, p.x + (n * s.kept + i) * C, p.pos + (s.prefix + patch) * C, C);
      }
    }
  });
}

template <class T>
void run(Cpu, EmbedTokensBackward<T> p) {
  const auto accumulate = accumulate_row<T>();
  const TokenSizes& s = p.sizes;
  const int64_t C = s.channels, tokens = s.prefix + s.kept;
  if (p.dx)
    parallel_for(s.samples, kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n)
        std::copy_n(p.dy + (n * tokens + s.prefix) * C, s.kept * C, p.dx + n * s.kept * C);
    });
  sum_over_samples<T>(p.dclass_token, p.dpos, s, [&](int64_t n, Acc<T>* token, Acc<T>* pos) {
    const T* dy = p.dy + n * tokens * C;
    if (token) accumulate(token, dy, s.channels);
    if (!pos) return;
    if (s.prefix) accumulate(pos, dy, s.channels);
    for (int i = 0; i < s.patches; ++i) {
      const int place = p.place ? p.place[n * s.patches + i] : i;
      if (place >= 0) accumulate(pos + (s.prefix + i) * C, dy + (s.prefix + place) * C, s.channels);
    }
  });
}

template <class T>
void run(Cpu, Unshuffle<T> p) {
  const auto add = add_row<T>();
  const TokenSizes& s = p.sizes;
  const int C = s.channels;
  parallel_for(s.samples, kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      T* y = p.y + n * (s.prefix + s.patches) * C;
      const T* x = p.x + n * (s.prefix + s.kept) * C;
      if (s.prefix) add(y, x, p.pos, C);
      for (int i = 0; i < s.patches; ++i) {
        const int place = p.place[n * s.patches + i];
        add(y + (s.prefix + i) * C, place < 0 ? p.mask_token : x + (s.prefix + place) * C,
            p.pos + int64_t(s.prefix + i) * C, C);
      }
    }
  });
}

template <class T>
void run(Cpu, UnshuffleBackward<T> p) {
  const auto accumulate = accumulate_row<T>();
  const TokenSizes& s = p.sizes;
  const int64_t C = s.channels, tokens = s.prefix + s.patches;
  if (p.dx)
    parallel_for(s.samples, kGrain, [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        const T* dy = p.dy + n * tokens * C;
        T* dx = p.dx + n * (s.prefix + s.kept) * C;
        if (s.prefix) std::copy_n(dy, C, dx);
        for (int i = 0; i < s.patches; ++i)
          if (const int place = p.place[n * s.patches + i]; place >= 0)
            std::copy_n(dy + (s.prefix + i) * C, C, dx + (s.prefix + place) * C);
      }
    });
  sum_over_samples<T>(p.dmask_token, p.dpos, s, [&](int64_t n, Acc<T>* token, Acc<T>* pos) {
    const T* dy = p.dy + n * tokens * C;
    for (int i = 0; token && i < s.patches; ++i)
      if (p.place[n * s.patches + i] < 0) accumulate(token, dy + (s.prefix + i) * C, s.channels);
    for (int64_t i = 0; pos && i < tokens; ++i) accumulate(pos + i * C, dy + i * C, s.channels);
  });
}

#define INSTANCES(T)                              \
  template void run(Cpu, EmbedTokens<T>);         \
  template void run(Cpu, EmbedTokensBackward<T>); \
  template void run(Cpu, Unshuffle<T>);           \
  template void run(Cpu, UnshuffleBackward<T>);
INSTANCES(float)
INSTANCES(bf16)
INSTANCES(double)

}  // namespace autodidact
#endif
