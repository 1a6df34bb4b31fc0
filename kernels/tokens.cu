// Tokens on CUDA: a thread an element of what is written; sums over samples go one partial a chunk
// of rows and then in order (columns.h), or over the samples of one position in one thread.
#include "kernels/columns.h"
#include "kernels/tokens.h"

namespace autodidact {
namespace {

constexpr int kThreads = 256, kMostBlocks = 512;

__device__ __forceinline__ int64_t thread_index() {
  return int64_t(blockIdx.x) * kThreads + threadIdx.x;
}
template <class... P, class... A>
void launch_elements(Cuda queue, int64_t count, void (*kernel)(P...), A... arguments) {
  if (count > 0)
    launch(queue, unsigned(div_up(count, kThreads)), kThreads, 0, kernel, arguments...);
}

template <class T>
__global__ void embed_tokens_kernel(EmbedTokens<T> p) {
  const TokenSizes& s = p.sizes;
  int64_t i = thread_index(), tokens = s.prefix + s.kept;
  if (i >= s.samples * tokens * s.channels) return;
  int64_t c = i % s.channels, t = i / s.channels % tokens, n = i / s.channels / tokens;
  if (t < s.prefix) {
    p.y[i] = T(float(p.class_token[c]) + p.pos[c]);
    return;
  }
  int64_t at = n * s.kept + t - s.prefix, patch = p.visible ? p.visible[at] : t - s.prefix;
  p.y[i] = T(float(p.x[at * s.channels + c]) + p.pos[(s.prefix + patch) * s.channels + c]);
}

template <class T>
__global__ void embed_tokens_dx_kernel(EmbedTokensBackward<T> p) {
  const TokenSizes& s = p.sizes;
  int64_t i = thread_index(), row = int64_t(s.kept) * s.channels;
  if (i >= s.samples * row) return;
  p.dx[i] = p.dy[i / row * (s.prefix + s.kept) * s.channels + s.prefix * s.channels + i % row];
}

template <class T>
__global__ void unshuffle_kernel(Unshuffle<T> p) {
  const TokenSizes& s = p.sizes;
  int64_t i = thread_index(), tokens = s.prefix + s.patches;
  if (i >= s.samples * tokens * s.channels) return;
  int64_t c = i % s.channels, t = i / s.channels % tokens, n = i / s.channels / tokens;
  int64_t from = t < s.prefix ? 0 : s.prefix + p.place[n * s.patches + t - s.prefix];
  bool hidden = t >= s.prefix && from < s.prefix;
  float x =
      float(hidden ? p.mask_token[c] : p.x[(n * (s.prefix + s.kept) + from) * s.channels + c]);
  p.y[i] = T(x + p.pos[t * s.channels + c]);
}

// A thread an element of dy, which knows where it came from: no two write the same.
template <class T>
__global__ void unshuffle_dx_kernel(UnshuffleBackward<T> p) {
  const TokenSizes& s = p.sizes;
  int64_t i = thread_index(), tokens = s.prefix + s.patches;
  if (i >= s.samples * tokens * s.channels) return;
  int64_t c = i % s.channels, t = i / s.channels % tokens, n = i / s.channels / tokens;
  int64_t to = t < s.prefix ? 0 : s.prefix + p.place[n * s.patches + t - s.prefix];
  if (t >= s.prefix && to < s.prefix) return;
  p.dx[(n * (s.prefix + s.kept) + to) * s.channels + c] = p.dy[i];
}

// dpos of (1 +) patches rows: dy of `tokens` rows a sample; place: null where every patch has its
// row, in order.
template <class T>
__global__ void positions_kernel(float* dpos, const T* dy, const int32_t* place, int tokens,
                                 TokenSizes s) {
  int64_t i = thread_index();
  if (i >= (int64_t(s.prefix) + s.patches) * s.channels) return;
  int64_t c = i % s.channels, t = i / s.channels;
  double sum = 0;
  for (int64_t n = 0; n < s.samples; ++n) {
    int64_t row = t;
    if (t >= s.prefix && place) row = s.prefix + place[n * s.patches + t - s.prefix];
    if (t >= s.prefix && row < s.prefix) continue;  // hidden
    sum += double(float(dy[(n * tokens + row) * s.channels + c]));
  }
  dpos[i] = float(sum);
}

// Sums of the class token's rows (place null), or of the hidden patches'.   rows: samples, or
// samples x patches
template <class T>
__global__ void token_sum_kernel(float* partial, const T* dy, const int32_t* place, int tokens,
                                 TokenSizes s, ColumnChunks chunks) {
  ColumnWalk w = column_walk<1>(chunks);
  float sum[1] = {};
  for (int64_t r = w.first; r < w.end; r += w.step) {
    if (place && place[r] >= 0) continue;
    int64_t row = place ? r / s.patches * tokens + s.prefix + r % s.patches : r * tokens;
    sum[0] += float(dy[row * s.channels + w.col]);
  }
  sum_over_y(sum, &shared<float>());
  store_partials<1, 1>(partial, sum, w, chunks);
}
template <class T>
void sum_token(Cuda queue, float* dtoken, const T* dy, const int32_t* place, int tokens,
               const TokenSizes& s) {
  int64_t rows = place ? int64_t(s.samples) * s.patches : s.samples;
  auto chunks = column_chunks(rows, s.channels, 1, 1, kMostBlocks);
  DeviceScratch<float> partial(queue, chunks.count() * s.channels);
  launch(queue, chunks.grid, chunks.block, sums_memory(chunks.block, 1, sizeof(float)),
         token_sum_kernel<T>, partial.data(), dy, place, tokens, s, chunks);
  sum_partials<1>(queue, {{dtoken}}, partial.data(), chunks.count(), s.channels);
}
template <class T>
void sum_positions(Cuda queue, float* dpos, const T* dy, const int32_t* place, int tokens,
                   const TokenSizes& s) {
  launch_elements(queue, (int64_t(s.prefix) + s.patches) * s.channels, positions_kernel<T>, dpos,
                  dy, place, tokens, s);
}

}  // namespace

template <class T>
void run(Cuda queue, EmbedTokens<T> p) {
  const TokenSizes& s = p.sizes;
  launch_elements(queue, int64_t(s.samples) * (s.prefix + s.kept) * s.channels,
                  embed_tokens_kernel<T>, p);
}

template <class T>
void run(Cuda queue, EmbedTokensBackward<T> p) {
  const TokenSizes& s = p.sizes;
  const int tokens = s.prefix + s.kept;
  if (p.dx)
    launch_elements(queue, int64_t(s.samples) * s.kept * s.channels, embed_tokens_dx_kernel<T>, p);
  if (p.dclass_token)
    sum_token(queue, p.dclass_token, p.dy, static_cast<const int32_t*>(nullptr), tokens, s);
  if (p.dpos) sum_positions(queue, p.dpos, p.dy, p.place, tokens, s);
}

template <class T>
void run(Cuda queue, Unshuffle<T> p) {
  const TokenSizes& s = p.sizes;
  launch_elements(queue, int64_t(s.samples) * (s.prefix + s.patches) * s.channels,
                  unshuffle_kernel<T>, p);
}

template <class T>
void run(Cuda queue, UnshuffleBackward<T> p) {
  const TokenSizes& s = p.sizes;
  const int tokens = s.prefix + s.patches;
  if (p.dx)
    launch_elements(queue, int64_t(s.samples) * tokens * s.channels, unshuffle_dx_kernel<T>, p);
  if (p.dmask_token) sum_token(queue, p.dmask_token, p.dy, p.place, tokens, s);
  if (p.dpos) sum_positions(queue, p.dpos, p.dy, static_cast<const int32_t*>(nullptr), tokens, s);
}

#define INSTANCES(T)                               \
  template void run(Cuda, EmbedTokens<T>);         \
  template void run(Cuda, EmbedTokensBackward<T>); \
  template void run(Cuda, Unshuffle<T>);           \
  template void run(Cuda, UnshuffleBackward<T>);
INSTANCES(float)
INSTANCES(bf16)

}  // namespace autodidact
