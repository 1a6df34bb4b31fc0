// Tokens on CUDA: a thread a pack of channels of what is written; sums over samples go one partial
// a chunk of rows and then in order, or over the samples of one position in one block (columns.h).
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

// Element i = (n, t, c) of [samples, tokens, channels], the first of a pack.
struct Place {
  int64_t n, t, c;
  __device__ Place(int64_t i, int64_t tokens, int64_t channels)
      : n(i / channels / tokens), t(i / channels % tokens), c(i % channels) {}
};

// x + pos, rounded once.
template <int N, class T>
__device__ __forceinline__ void store_sum(T* y, const T* x, const float* pos) {
  auto sum = load_acc<N>(x);
  auto add = load<N>(pos);
  for (int j = 0; j < N; ++j) sum.v[j] += add.v[j];
  store_acc<N>(y, sum);
}

template <int N, class T>
__global__ void embed_tokens_kernel(EmbedTokens<T> p) {
  const TokenSizes& s = p.sizes;
  int64_t i = thread_index() * N, tokens = s.prefix + s.kept;
  if (i >= s.samples * tokens * s.channels) return;
  Place y(i, tokens, s.channels);
  if (y.t < s.prefix) return store_sum<N>(p.y + i, p.class_token + y.c, p.pos + y.c);
  int64_t at = y.n * s.kept + y.t - s.prefix, patch = p.visible ? p.visible[at] : y.t - s.prefix;
  store_sum<N>(p.y + i, p.x + at * s.channels + y.c, p.pos + (s.prefix + patch) * s.channels + y.c);
}

template <int N, class T>
__global__ void embed_tokens_dx_kernel(EmbedTokensBackward<T> p) {
  const TokenSizes& s = p.sizes;
  int64_t i = thread_index() * N, row = int64_t(s.kept) * s.channels;
  if (i >= s.samples * row) return;
  int64_t from = i / row * (s.prefix + s.kept) * s.channels + s.prefix * s.channels + i % row;
  store(p.dx + i, load<N>(p.dy + from));
}

template <int N, class T>
__global__ void unshuffle_kernel(Unshuffle<T> p) {
  const TokenSizes& s = p.sizes;
  int64_t i = thread_index() * N, tokens = s.prefix + s.patches;
  if (i >= s.samples * tokens * s.channels) return;
  Place y(i, tokens, s.channels);
  int64_t from = y.t < s.prefix ? 0 : s.prefix + p.place[y.n * s.patches + y.t - s.prefix];
  bool hidden = y.t >= s.prefix && from < s.prefix;
  const T* x = hidden ? p.mask_token : p.x + (y.n * (s.prefix + s.kept) + from) * s.channels;
  store_sum<N>(p.y + i, x + y.c, p.pos + y.t * s.channels + y.c);
}

// A thread a pack of dy, which knows where it came from: no two write the same.
template <int N, class T>
__global__ void unshuffle_dx_kernel(UnshuffleBackward<T> p) {
  const TokenSizes& s = p.sizes;
  int64_t i = thread_index() * N, tokens = s.prefix + s.patches;
  if (i >= s.samples * tokens * s.channels) return;
  Place y(i, tokens, s.channels);
  int64_t to = y.t < s.prefix ? 0 : s.prefix + p.place[y.n * s.patches + y.t - s.prefix];
  if (y.t >= s.prefix && to < s.prefix) return;
  store(p.dx + (y.n * (s.prefix + s.kept) + to) * s.channels + y.c, load<N>(p.dy + i));
}

// dpos of (1 +) patches rows: dy of `tokens` rows a sample; place: null where every patch has its
// row, in order. A block has one position (blockIdx.x) and some packs of its channels; its rows of
// threads share the samples.
template <int N, class T>
__global__ void positions_kernel(float* dpos, const T* dy, const int32_t* place, int tokens,
                                 TokenSizes s) {
  int c = int(blockIdx.y * blockDim.x + threadIdx.x) * N, t = int(blockIdx.x);
  double sum[N] = {};
  for (int n = int(threadIdx.y); c < s.channels && n < s.samples; n += int(blockDim.y)) {
    int row = t;
    if (t >= s.prefix && place) row = s.prefix + place[int64_t(n) * s.patches + t - s.prefix];
    if (t >= s.prefix && row < s.prefix) continue;  // hidden
    auto v = load_acc<N>(dy + (int64_t(n) * tokens + row) * s.channels + c);
    for (int j = 0; j < N; ++j) sum[j] += double(v.v[j]);
  }
  sum_over_y(sum, &shared<double>());
  if (threadIdx.y > 0 || c >= s.channels) return;
  Pack<N, float> total;
  for (int j = 0; j < N; ++j) total.v[j] = float(sum[j]);
  store(dpos + int64_t(t) * s.channels + c, total);
}

// Sums of the class token's rows (place null), or of the hidden patches'.   rows: samples, or
// samples x patches
template <int N, class T>
__global__ void token_sum_kernel(float* partial, const T* dy, const int32_t* place, int tokens,
                                 TokenSizes s, ColumnChunks chunks) {
  ColumnWalk w = column_walk<N>(chunks);
  float sum[N] = {};
  for (int64_t r = w.first; r < w.end; r += w.step) {
    if (place && place[r] >= 0) continue;
    int64_t row = place ? r / s.patches * tokens + s.prefix + r % s.patches : r * tokens;
    auto v = load_acc<N>(dy + row * s.channels + w.col);
    for (int j = 0; j < N; ++j) sum[j] += v.v[j];
  }
  sum_over_y(sum, &shared<float>());
  store_partials<N, 1>(partial, sum, w, chunks);
}
template <int N, class T>
void sum_token(Cuda queue, float* dtoken, const T* dy, const int32_t* place, int tokens,
               const TokenSizes& s) {
  int64_t rows = place ? int64_t(s.samples) * s.patches : s.samples;
  auto chunks = column_chunks(rows, s.channels, 1, N, kMostBlocks);
  DeviceScratch<float> partial(queue, chunks.count() * s.channels);
  launch(queue, chunks.grid, chunks.block, sums_memory(chunks.block, N, sizeof(float)),
         token_sum_kernel<N, T>, partial.data(), dy, place, tokens, s, chunks);
  sum_partials<1>(queue, {{dtoken}}, partial.data(), chunks.count(), s.channels);
}
template <int N, class T>
void sum_positions(Cuda queue, float* dpos, const T* dy, const int32_t* place, int tokens,
                   const TokenSizes& s) {
  dim3 block = column_block(s.channels, N);
  dim3 grid(unsigned(s.prefix + s.patches), unsigned(div_up(s.channels, int64_t(block.x) * N)));
  if (grid.x > 0 && grid.y > 0)
    launch(queue, grid, block, sums_memory(block, N, sizeof(double)), positions_kernel<N, T>, dpos,
           dy, place, tokens, s);
}

// f(N as a constant): whether rows of channels can be read and written in packs.
template <class T, class F, class... B>
void choose_tokens(const TokenSizes& s, F f, const B*... buffers) {
  choose_pack<kPack<T>>(s.channels % kPack<T> == 0 && aligned(buffers...), f);
}

}  // namespace

template <class T>
void run(Cuda queue, EmbedTokens<T> p) {
  const TokenSizes& s = p.sizes;
  const int64_t count = int64_t(s.samples) * (s.prefix + s.kept) * s.channels;
  choose_tokens<T>(
      s,
      [&](auto pack) { launch_elements(queue, count / pack(), embed_tokens_kernel<pack(), T>, p); },
      p.y, p.x, p.class_token, p.pos);
}

template <class T>
void run(Cuda queue, EmbedTokensBackward<T> p) {
  const TokenSizes& s = p.sizes;
  const int tokens = s.prefix + s.kept;
  const int64_t count = int64_t(s.samples) * s.kept * s.channels;
  choose_tokens<T>(
      s,
      [&](auto pack) {
        constexpr int N = pack();
        if (p.dx) launch_elements(queue, count / N, embed_tokens_dx_kernel<N, T>, p);
        if (p.dclass_token)
          sum_token<N>(queue, p.dclass_token, p.dy, static_cast<const int32_t*>(nullptr), tokens,
                       s);
        if (p.dpos) sum_positions<N>(queue, p.dpos, p.dy, p.place, tokens, s);
      },
      p.dx, p.dpos, p.dy);
}

template <class T>
void run(Cuda queue, Unshuffle<T> p) {
  const TokenSizes& s = p.sizes;
  const int64_t count = int64_t(s.samples) * (s.prefix + s.patches) * s.channels;
  choose_tokens<T>(
      s, [&](auto pack) { launch_elements(queue, count / pack(), unshuffle_kernel<pack(), T>, p); },
      p.y, p.x, p.mask_token, p.pos);
}

template <class T>
void run(Cuda queue, UnshuffleBackward<T> p) {
  const TokenSizes& s = p.sizes;
  const int tokens = s.prefix + s.patches;
  const int64_t count = int64_t(s.samples) * tokens * s.channels;
  choose_tokens<T>(
      s,
      [&](auto pack) {
        constexpr int N = pack();
        if (p.dx) launch_elements(queue, count / N, unshuffle_dx_kernel<N, T>, p);
        if (p.dmask_token) sum_token<N>(queue, p.dmask_token, p.dy, p.place, tokens, s);
        if (p.dpos)
          sum_positions<N>(queue, p.dpos, p.dy, static_cast<const int32_t*>(nullptr), tokens, s);
      },
      p.dx, p.dpos, p.dy);
}

#define INSTANCES(T)                               \
  template void run(Cuda, EmbedTokens<T>);         \
  template void run(Cuda, EmbedTokensBackward<T>); \
  template void run(Cuda, Unshuffle<T>);           \
  template void run(Cuda, UnshuffleBackward<T>);
INSTANCES(float)
INSTANCES(bf16)

}  // namespace autodidact
