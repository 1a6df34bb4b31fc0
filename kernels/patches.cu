// Patches on CUDA. The mask: a patch's rank among the random keys of its sample decides whether it
// stays, then one warp a sample counts off the places. The loss: a warp a patch. Pixels are moved
// in packs where a patch's rows are made of them.
#include "kernels/patches.h"
#include "kernels/warp_rows.h"

namespace autodidact {
namespace {

constexpr int kThreads = 256;

__device__ __forceinline__ int64_t thread_index() {
  return int64_t(blockIdx.x) * kThreads + threadIdx.x;
}
template <class... P, class... A>
void launch_elements(Cuda queue, int64_t count, void (*kernel)(P...), A... arguments) {
  if (count > 0)
    launch(queue, unsigned(div_up(count, kThreads)), kThreads, 0, kernel, arguments...);
}

// place = 0 for the `kept` patches with the smallest keys, -1 for the others. A block takes
// kThreads patches of a sample; its keys pass by in shared memory, kThreads at a time.
__global__ void rank_kernel(DrawMask p) {
  auto& keys = shared<uint32_t[kThreads]>();
  int mine = int(blockIdx.y) * kThreads + int(threadIdx.x);
  int64_t n = blockIdx.x;
  auto key_of = [&](int patch) {
    return patch < p.patches ? patch_key(p.seed, p.stream, p.epoch, p.indices[n], patch) : ~0u;
  };
  uint32_t key = key_of(mine);
  int rank = 0;
  for (int begin = 0; begin < p.patches; begin += kThreads) {
    __syncthreads();  // the keys before may still be read
    keys[threadIdx.x] = key_of(begin + int(threadIdx.x));
    __syncthreads();
    int count = p.patches - begin < kThreads ? p.patches - begin : kThreads;
    for (int j = 0; j < count; ++j)
      rank += keys[j] < key || (keys[j] == key && begin + j < mine) ? 1 : 0;
  }
  if (mine < p.patches) p.place[n * p.patches + mine] = rank < p.kept ? 0 : -1;
}

// The kept patches' places in order, by one warp.
__global__ void place_kernel(DrawMask p) {
  int64_t n = blockIdx.x;
  int lane = int(threadIdx.x);
  int32_t* place = p.place + n * p.patches;
  int before = 0;
  for (int begin = 0; begin < p.patches; begin += kWarpSize) {
    int patch = begin + lane;
    bool stays = patch < p.patches && place[patch] == 0;
    int count = stays ? 1 : 0;
    for (int distance = 1; distance < kWarpSize; distance *= 2) {
      int other = __shfl_up_sync(~0u, count, unsigned(distance));
      if (lane >= distance) count += other;
    }
    if (stays) {
      int at = before + count - 1;
      place[patch] = at;
      p.visible[n * p.kept + at] = patch;
    }
    before += __shfl_sync(~0u, count, kWarpSize - 1);
  }
}

// Number i of a patch's vector, from the patch's first number; a pack does not leave its row.
__device__ __forceinline__ int64_t pixel_offset(const PatchSizes& s, int i) {
  int row = s.size * s.channels;
  return int64_t(i / row) * s.width * s.channels + i % row;
}

template <int N, class T>
__global__ void gather_kernel(GatherPatches<T> p) {
  int64_t i = thread_index() * N, pixels = p.sizes.pixels();
  if (i >= p.sizes.samples * p.kept * pixels) return;
  int64_t at = i / pixels, n = at / p.kept;
  int patch = p.visible ? p.visible[at] : int(at % p.kept);
  int64_t from = patch_offset(p.sizes, n, patch) + pixel_offset(p.sizes, int(i % pixels));
  store(p.y + i, load<N>(p.images + from));
}

template <int N, class T>
__global__ void gather_backward_kernel(GatherPatchesBackward<T> p) {
  int64_t i = thread_index() * N, pixels = p.sizes.pixels(), patches = p.sizes.patches();
  if (i >= p.sizes.samples * patches * pixels) return;
  int64_t n = i / pixels / patches;
  int patch = int(i / pixels % patches);
  int place = p.place ? p.place[n * patches + patch] : patch;
  auto value = repeated<N>(T(0.0f));
  if (place >= 0) value = load<N>(p.dy + (n * p.kept + place) * pixels + i % pixels);
  int64_t to = patch_offset(p.sizes, n, patch) + pixel_offset(p.sizes, int(i % pixels));
  store(p.dimages + to, value);
}

// What a warp's patch is compared with: (pixel - mean) rstd.
struct Target {
  float mean = 0, rstd = 1;
};
template <int N, class T>
__device__ __forceinline__ Target target_of(const T* image, const PatchSizes& s, bool normalize) {
  Target t;
  if (!normalize) return t;
  int pixels = s.pixels();
  float total = 0, squares = 0;
  for (int i = int(threadIdx.x) * N; i < pixels; i += kWarpSize * N) {
    auto v = load_acc<N>(image + pixel_offset(s, i));
    for (int j = 0; j < N; ++j) total += v.v[j];
  }
  t.mean = warp_sum(total) / float(pixels);
  for (int i = int(threadIdx.x) * N; i < pixels; i += kWarpSize * N) {
    auto v = load_acc<N>(image + pixel_offset(s, i));
    for (int j = 0; j < N; ++j) {
      float d = v.v[j] - t.mean;
      squares = fma(d, d, squares);
    }
  }
  t.rstd = 1 / sqrt(warp_sum(squares) / float(pixels > 1 ? pixels - 1 : 1) + 1e-6f);
  return t;
}

// losses: [samples, patches]
template <int N, class T>
__global__ void patch_loss_kernel(PatchLossForward<T> p, float* losses) {
  const PatchSizes& s = p.sizes;
  int64_t i = row_of_warp(), patches = s.patches();
  if (i >= s.samples * patches) return;
  int64_t n = i / patches;
  int pixels = s.pixels();
  float total = 0;
  if (p.place[i] < 0) {
    const T* image = p.images + patch_offset(s, n, int(i % patches));
    const T* prediction = p.prediction + (i + (n + 1) * p.prefix) * pixels;
    Target t = target_of<N>(image, s, p.normalize);
    for (int k = int(threadIdx.x) * N; k < pixels; k += kWarpSize * N) {
      auto v = load_acc<N>(prediction + k), x = load_acc<N>(image + pixel_offset(s, k));
      for (int j = 0; j < N; ++j) {
        float d = v.v[j] - (x.v[j] - t.mean) * t.rstd;
        total = fma(d, d, total);
      }
    }
    total = warp_sum(total) / float(pixels);
  }
  if (threadIdx.x == 0) losses[i] = total;
}

__global__ void mean_loss_kernel(float* loss, const float* losses, int64_t count, double hidden) {
  double total = 0;
  for (int64_t i = threadIdx.x; i < count; i += blockDim.x) total += double(losses[i]);
  total = row_sum(total, shared<RowMemory<double>>());
  if (threadIdx.x == 0) *loss = float(total / hidden);
}

template <int N, class T>
__global__ void patch_loss_backward_kernel(PatchLossBackward<T> p) {
  const PatchSizes& s = p.sizes;
  int64_t r = row_of_warp(), patches = s.patches();
  if (r >= s.samples * (p.prefix + patches)) return;
  int64_t n = r / (p.prefix + patches), patch = r % (p.prefix + patches) - p.prefix;
  int pixels = s.pixels();
  bool compared = patch >= 0 && p.place[n * patches + patch] < 0;
  if (!compared) {
    for (int k = int(threadIdx.x) * N; k < pixels; k += kWarpSize * N)
      store(p.dprediction + r * pixels + k, repeated<N>(T(0.0f)));
    return;
  }
  float factor = float(2 * double(*p.dloss) / (double(s.samples) * p.hidden * pixels));
  const T* image = p.images + patch_offset(s, n, int(patch));
  Target t = target_of<N>(image, s, p.normalize);
  for (int k = int(threadIdx.x) * N; k < pixels; k += kWarpSize * N) {
    auto v = load_acc<N>(p.prediction + r * pixels + k);
    auto x = load_acc<N>(image + pixel_offset(s, k));
    for (int j = 0; j < N; ++j) v.v[j] = (v.v[j] - (x.v[j] - t.mean) * t.rstd) * factor;
    store_acc<N>(p.dprediction + r * pixels + k, v);
  }
}

// f(N as a constant), with packs where they make up a patch's rows.
template <class T, class F>
void choose_pixels(const PatchSizes& s, bool are_aligned, F f) {
  choose_pack<kPack<T>>(are_aligned && s.size * s.channels % kPack<T> == 0, f);
}

}  // namespace

void run(Cuda queue, DrawMask p) {
  if (p.samples == 0) return;
  dim3 grid(unsigned(p.samples), unsigned(div_up(p.patches, kThreads)));
  launch(queue, grid, kThreads, sizeof(uint32_t[kThreads]), rank_kernel, p);
  launch(queue, unsigned(p.samples), kWarpSize, 0, place_kernel, p);
}

template <class T>
void run(Cuda queue, GatherPatches<T> p) {
  const int64_t count = int64_t(p.sizes.samples) * p.kept * p.sizes.pixels();
  choose_pixels<T>(p.sizes, aligned(p.y, p.images), [&](auto pack) {
    launch_elements(queue, count / pack(), gather_kernel<pack(), T>, p);
  });
}

template <class T>
void run(Cuda queue, GatherPatchesBackward<T> p) {
  const int64_t count = int64_t(p.sizes.samples) * p.sizes.patches() * p.sizes.pixels();
  choose_pixels<T>(p.sizes, aligned(p.dimages, p.dy), [&](auto pack) {
    launch_elements(queue, count / pack(), gather_backward_kernel<pack(), T>, p);
  });
}

template <class T>
void run(Cuda queue, PatchLossForward<T> p) {
  const int64_t rows = int64_t(p.sizes.samples) * p.sizes.patches();
  DeviceScratch<float> scratch(queue, p.patch_loss ? 0 : rows);
  float* losses = p.patch_loss ? p.patch_loss : scratch.data();
  choose_pixels<T>(p.sizes, aligned(p.prediction, p.images), [&](auto pack) {
    launch_warp_rows(queue, rows, patch_loss_kernel<pack(), T>, p, losses);
  });
  launch(queue, 1, kThreads, sizeof(RowMemory<double>), mean_loss_kernel, p.loss,
         static_cast<const float*>(losses), rows, double(p.sizes.samples) * p.hidden);
}

template <class T>
void run(Cuda queue, PatchLossBackward<T> p) {
  const int64_t rows = int64_t(p.sizes.samples) * (p.prefix + p.sizes.patches());
  choose_pixels<T>(p.sizes, aligned(p.dprediction, p.prediction, p.images), [&](auto pack) {
    launch_warp_rows(queue, rows, patch_loss_backward_kernel<pack(), T>, p);
  });
}

#define INSTANCES(T)                                 \
  template void run(Cuda, GatherPatches<T>);         \
  template void run(Cuda, GatherPatchesBackward<T>); \
  template void run(Cuda, PatchLossForward<T>);      \
  template void run(Cuda, PatchLossBackward<T>);
INSTANCES(float)
INSTANCES(bf16)

}  // namespace autodidact
