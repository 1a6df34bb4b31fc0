// Optimizer steps on CUDA, one launch over the flat buffer: each block takes an equal run of it and
// walks the segments that it meets there. LARS has two launches before that: norms by parts of a
// segment, then a segment's trust.
#include "kernels/optimizer.h"
#include "kernels/columns.h"

namespace autodidact {
namespace {

// A pack is 16 bytes of the bf16 copy and twice 16 of each float buffer.
constexpr int kWide = kPack<bf16>;
constexpr int kThreads = 128, kMostBlocks = 512;

// f(N, i) for the packs and single elements of [begin, end) that are this thread's. Packs start at
// multiples of kN.
template <int kN, class F>
__device__ __forceinline__ void for_packs(int64_t begin, int64_t end, int thread, int threads,
                                          F f) {
  for (int64_t i = begin / kN * kN + int64_t(thread) * kN; i < end; i += int64_t(threads) * kN)
    if (i >= begin && i + kN <= end) f(std::integral_constant<int, kN>{}, i);
    else
      for (int64_t k = i < begin ? begin : i; k < i + kN && k < end; ++k)
        f(std::integral_constant<int, 1>{}, k);
}

// The average, as the CPU's vectors compute it: the same bits.
__device__ __forceinline__ float averaged(float m, float ema, float w) {
  return fma(m, ema, (1 - m) * w);
}

// Writes the new weights, their average and their bf16 copy.
template <int N, class P>
__device__ __forceinline__ void write_weights(const P& p, const Pack<N, float>& w, float m,
                                              int64_t i) {
  store(p.w + i, w);
  if (p.copy) store_acc<N>(p.copy + i, w);
  if (p.ema) {
    auto ema = load<N>(p.ema + i);
    for (int j = 0; j < N; ++j) ema.v[j] = averaged(m, ema.v[j], w.v[j]);
    store(p.ema + i, ema);
  }
}

// What a step does to elements i .. i + N - 1 of a segment.
struct SgdRule {
  const SgdUpdate<float>& p;
  float lr, decay, trust, scale, ema_momentum;
  __device__ SgdRule(const SgdUpdate<float>& args, const Segment& segment, int s)
      : p(args),
        lr(args.step->lr * segment.lr_scale),
        decay(segment.weight_decay),
        trust(args.trust ? args.trust[s] : 1),
        scale(args.step->gradient_scale),
        ema_momentum(args.step->ema_momentum) {}
  template <int N>
  __device__ __forceinline__ void update(int64_t i) const {
    auto w = load<N>(p.w + i), d = load<N>(p.gradient + i);
    for (int j = 0; j < N; ++j) d.v[j] = trust * fma(decay, w.v[j], scale * d.v[j]);
    if (p.velocity) {
      auto v = load<N>(p.velocity + i);
      for (int j = 0; j < N; ++j) v.v[j] = fma(p.momentum, v.v[j], d.v[j]);
      store(p.velocity + i, v);
      for (int j = 0; j < N; ++j) d.v[j] = p.nesterov ? fma(p.momentum, v.v[j], d.v[j]) : v.v[j];
    }
    for (int j = 0; j < N; ++j) w.v[j] = fma(-lr, d.v[j], w.v[j]);
    write_weights(p, w, ema_momentum, i);
  }
};

struct AdamwRule {
  const AdamwUpdate<float>& p;
  float rate, keep, lr, inverse_root, scale, ema_momentum;
  __device__ AdamwRule(const AdamwUpdate<float>& args, const Segment& segment, int)
      : p(args),
        rate(args.step->lr * segment.lr_scale),
        keep(1 - rate * segment.weight_decay),
        lr(rate / args.step->bias1),
        inverse_root(1 / sqrt(args.step->bias2)),
        scale(args.step->gradient_scale),
        ema_momentum(args.step->ema_momentum) {}
  template <int N>
  __device__ __forceinline__ void update(int64_t i) const {
    auto w = load<N>(p.w + i), m = load<N>(p.m + i), v = load<N>(p.v + i);
    auto g = load<N>(p.gradient + i);
    for (int j = 0; j < N; ++j) {
      g.v[j] *= scale;
      m.v[j] = fma(p.beta1, m.v[j], (1 - p.beta1) * g.v[j]);
      v.v[j] = fma(p.beta2, v.v[j], (1 - p.beta2) * g.v[j] * g.v[j]);
      float d = m.v[j] / fma(sqrt(v.v[j]), inverse_root, p.eps);
      w.v[j] = fma(-lr, d, keep * w.v[j]);
    }
    store(p.m + i, m);
    store(p.v + i, v);
    write_weights(p, w, ema_momentum, i);
  }
};

template <int N, class Rule, class P>
__global__ void __launch_bounds__(kThreads, 6) optimizer_kernel(P p) {
  int64_t start = p.segments[0].begin / N * N, all = p.segments[p.segment_count - 1].end - start;
  int64_t packs = (all + N - 1) / N, share = (packs + gridDim.x - 1) / gridDim.x * N;
  int64_t begin = start + blockIdx.x * share, end = begin + share;
  int s = 0;  // becomes the first segment that ends after begin
  for (int above = p.segment_count; s < above;) {
    int middle = (s + above) / 2;
    if (p.segments[middle].end > begin) above = middle;
    else s = middle + 1;
  }
  for (; s < p.segment_count; ++s) {
    Segment segment = p.segments[s];
    if (segment.begin >= end) break;
    Rule rule(p, segment, s);
    for_packs<N>(segment.begin > begin ? segment.begin : begin,
                 segment.end < end ? segment.end : end, int(threadIdx.x), kThreads,
                 [&](auto pack, int64_t i) { rule.template update<pack()>(i); });
  }
}

template <int N>
__global__ void ema_kernel(EmaUpdate<float> p) {
  float m = p.step->ema_momentum;
  for_packs<N>(0, p.n, int(blockIdx.x * blockDim.x + threadIdx.x), int(gridDim.x * blockDim.x),
               [&](auto pack, int64_t i) {
                 auto ema = load<pack()>(p.ema + i), w = load<pack()>(p.w + i);
                 for (int j = 0; j < pack(); ++j) ema.v[j] = averaged(m, ema.v[j], w.v[j]);
                 store(p.ema + i, ema);
               });
}

// Blocks of a segment: a warp adds up their sums.
constexpr int kParts = kWarpSize;

// partial[segment, part] = the sums of w^2 and of gradient^2 over a part of the segment.
struct Squares {
  float w, gradient;
};
template <int N>
__global__ void lars_norms_kernel(Squares* partial, LarsTrust<float> p) {
  auto& memory = shared<RowMemory<float>>();
  Segment segment = p.segments[blockIdx.y];
  float w = 0, g = 0;
  for_packs<N>(segment.begin, segment.end, int(blockIdx.x * blockDim.x + threadIdx.x),
               int(gridDim.x * blockDim.x), [&](auto pack, int64_t i) {
                 auto a = load<pack()>(p.w + i), b = load<pack()>(p.gradient + i);
                 for (int j = 0; j < pack(); ++j)
                   w = fma(a.v[j], a.v[j], w), g = fma(b.v[j], b.v[j], g);
               });
  w = row_sum(w, memory), g = row_sum(g, memory);
  if (threadIdx.x == 0) partial[blockIdx.y * kParts + blockIdx.x] = {w, g};
}

// A warp for each segment.
__global__ void lars_trust_kernel(LarsTrust<float> p, const Squares* partial) {
  int s = int(blockIdx.x * blockDim.y + threadIdx.y);
  if (s >= p.segment_count) return;
  Squares mine = partial[s * kParts + int(threadIdx.x)];
  double w = sqrt(warp_sum(double(mine.w)));
  double g = sqrt(warp_sum(double(mine.gradient))) * double(p.step->gradient_scale);
  if (threadIdx.x > 0) return;
  double decay = double(p.segments[s].weight_decay);
  bool adapts = p.segments[s].adapt && w > 0 && g > 0;
  p.trust[s] = adapts ? float(double(p.coefficient) * w / (g + decay * w + double(p.eps))) : 1;
}

template <class Rule, class P, class... B>
void launch_optimizer(Cuda queue, const P& p, const B*... buffers) {
  if (p.segment_count == 0) return;
  choose_pack<kWide>(aligned(buffers...), [&](auto pack) {
    launch(queue, kMostBlocks, kThreads, 0, optimizer_kernel<pack(), Rule, P>, p);
  });
}

}  // namespace

template <>
void run(Cuda queue, SgdUpdate<float> p) {
  launch_optimizer<SgdRule>(queue, p, p.w, p.velocity, p.ema, p.copy, p.gradient);
}
template <>
void run(Cuda queue, AdamwUpdate<float> p) {
  launch_optimizer<AdamwRule>(queue, p, p.w, p.m, p.v, p.ema, p.copy, p.gradient);
}

template <>
void run(Cuda queue, EmaUpdate<float> p) {
  if (p.n == 0) return;
  choose_pack<kPack<float>>(aligned(p.ema, p.w), [&](auto pack) {
    int64_t blocks = std::min<int64_t>(div_up(p.n, kThreads * pack()), kMostBlocks);
    launch(queue, unsigned(blocks), kThreads, 0, ema_kernel<pack()>, p);
  });
}

template <>
void run(Cuda queue, LarsTrust<float> p) {
  if (p.segment_count == 0) return;
  DeviceScratch<Squares> partial(queue, int64_t(p.segment_count) * kParts);
  choose_pack<kPack<float>>(aligned(p.w, p.gradient), [&](auto pack) {
    launch(queue, dim3(kParts, unsigned(p.segment_count)), kThreads, sizeof(RowMemory<float>),
           lars_norms_kernel<pack()>, partial.data(), p);
  });
  launch(queue, unsigned(div_up(p.segment_count, 8)), dim3(kWarpSize, 8), 0, lars_trust_kernel, p,
         partial.data());
}

}  // namespace autodidact
