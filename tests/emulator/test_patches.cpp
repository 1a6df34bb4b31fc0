// Masks, patches and tokens on emulated CUDA against the CPU: masks are the same numbers.
#include "device_check.h"
#include "kernels/patches.h"
#include "kernels/tokens.h"

using namespace autodidact;
using namespace autodidact::test;

namespace {

struct Mask {
  std::vector<int32_t> visible, place;
};
Mask mask_of(int samples, int patches, int kept) {
  std::vector<int64_t> indices;
  for (int n = 0; n < samples; ++n) indices.push_back(1000003 * int64_t(n) + 7);
  Mask m{std::vector<int32_t>(size_t(samples * kept)),
         std::vector<int32_t>(size_t(samples * patches))};
  run(Cpu{},
      DrawMask{m.visible.data(), m.place.data(), indices.data(), samples, patches, kept, 5, 16, 3});
  return m;
}

struct Sizes {
  int samples, across, size, channels, kept;
  PatchSizes pixels() const { return {samples, across * size, across * size, channels, size}; }
};
const Sizes kSizes[] = {{1, 1, 2, 1, 1}, {3, 3, 2, 3, 4}, {2, 4, 4, 3, 4},
                        {5, 2, 3, 3, 0}, {2, 2, 8, 3, 1}, {2, 2, 1, 1, 1}};

const TokenSizes kTokens[] = {
    {1, 1, 1, 1, 0}, {3, 9, 4, 7, 1}, {2, 16, 4, 40, 0}, {70, 4, 2, 8, 1}, {2, 4, 0, 3, 1}};

}  // namespace

TEST_CASE("patches.cu: a mask is the CPU's, for one block of patches and for more") {
  struct Drawn {
    int samples, patches, kept;
  };
  const Drawn cases[] = {{1, 1, 0}, {1, 1, 1}, {3, 64, 16}, {2, 33, 8}, {2, 600, 150}};
  for (const Drawn& k : cases) {
    const Mask m = mask_of(k.samples, k.patches, k.kept);
    check_device("mask", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
      std::vector<int64_t> indices;
      for (int n = 0; n < k.samples; ++n) indices.push_back(1000003 * int64_t(n) + 7);
      int32_t* visible = b.template out_as<int32_t>(k.samples * k.kept);
      int32_t* place = b.template out_as<int32_t>(k.samples * k.patches);
      run(queue,
          DrawMask{visible, place, b.in_exact(indices), k.samples, k.patches, k.kept, 5, 16, 3});
      CHECK(std::equal(m.place.begin(), m.place.end(), place));
      CHECK(std::equal(m.visible.begin(), m.visible.end(), visible));
    });
  }
}

TEST_CASE("patches.cu: of two patches with one key the first stays") {
  // Keys of 32 bits meet once in a million samples; of this one's, the 40th and 41st smallest do.
  const std::vector<int64_t> indices = {688065};
  REQUIRE(patch_key(5, 16, 3, indices[0], 6) == patch_key(5, 16, 3, indices[0], 43));
  check_device("mask", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
    int32_t* visible = b.template out_as<int32_t>(40);
    int32_t* place = b.template out_as<int32_t>(64);
    run(queue, DrawMask{visible, place, b.in_exact(indices), 1, 64, 40, 5, 16, 3});
    CHECK(place[6] >= 0);
    CHECK(place[43] == -1);
  });
}

TEST_CASE("patches.cu: patches gathered, and their gradients put back, as on the CPU") {
  for (const Sizes& k : kSizes)
    for (bool masked : {false, true}) {
      const PatchSizes s = k.pixels();
      const int kept = masked ? k.kept : s.patches();
      const Mask m = mask_of(s.samples, s.patches(), kept);
      const int64_t rows = int64_t(s.samples) * kept * s.pixels();
      const int64_t all = int64_t(s.samples) * s.patches() * s.pixels();
      Values images = random_values(all, 1), dy = random_values(rows, 2);
      check_device("gather", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
        T* y = b.out(rows);
        const T* of_images = b.in(images);
        run(queue,
            GatherPatches<T>{y, of_images, masked ? b.in_exact(m.visible) : nullptr, s, kept});
      });
      check_device("gather backward", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
        T* dimages = b.out(all);
        const T* of_dy = b.in(dy);
        run(queue, GatherPatchesBackward<T>{dimages, of_dy, masked ? b.in_exact(m.place) : nullptr,
                                            s, kept});
      });
    }
}

TEST_CASE("patches.cu: the loss of the hidden patches and its gradient as on the CPU") {
  for (const Sizes& k : kSizes)
    for (bool normalize : {false, true})
      for (int prefix : {0, 1}) {
        const PatchSizes s = k.pixels();
        const int patches = s.patches(), hidden = patches - k.kept;
        if (hidden == 0) continue;
        const Mask m = mask_of(s.samples, patches, k.kept);
        const int64_t rows = int64_t(s.samples) * (prefix + patches) * s.pixels();
        Values images = random_values(int64_t(s.samples) * patches * s.pixels(), 1);
        Values prediction = random_values(rows, 2);
        check_device("patch loss", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
          for (bool each : {true, false}) {
            Acc<T>* loss = b.out_acc(1);
            Acc<T>* patch_loss = each ? b.out_acc(int64_t(s.samples) * patches) : nullptr;
            const T *of_prediction = b.in(prediction), *of_images = b.in(images);
            run(queue, PatchLossForward<T>{loss, patch_loss, of_prediction, of_images,
                                           b.in_exact(m.place), s, prefix, hidden, normalize});
          }
        });
        check_device(
            "patch loss backward", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
              T* d = b.out(rows);
              const Acc<T>* dloss = b.in_acc(Values{0.75});
              const T *of_prediction = b.in(prediction), *of_images = b.in(images);
              run(queue, PatchLossBackward<T>{d, dloss, of_prediction, of_images,
                                              b.in_exact(m.place), s, prefix, hidden, normalize});
            });
      }
}

TEST_CASE("tokens.cu: tokens embedded as on the CPU") {
  for (const TokenSizes& masked : kTokens)
    for (bool all : {false, true}) {
      TokenSizes s = masked;
      if (all) s.kept = s.patches;
      const Mask m = mask_of(s.samples, s.patches, s.kept);
      const int64_t rows = int64_t(s.samples) * s.kept * s.channels;
      const int64_t tokens = rows + int64_t(s.samples) * s.prefix * s.channels;
      const int64_t positions = (int64_t(s.prefix) + s.patches) * s.channels;
      Values x = random_values(rows, 1), token = random_values(s.channels, 2);
      Values pos = random_values(positions, 3), dy = random_values(tokens, 4);
      check_device("embed", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
        T* y = b.out(tokens);
        const T *of_x = b.in(x), *of_token = b.in(token);
        const Acc<T>* of_pos = b.in_acc(pos);
        run(queue, EmbedTokens<T>{y, of_x, s.prefix ? of_token : nullptr, of_pos,
                                  all ? nullptr : b.in_exact(m.visible), s});
      });
      check_device("embed backward", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
        T* dx = b.out(rows);
        Acc<T>* dtoken = s.prefix ? b.out_acc(s.channels, 1) : nullptr;
        Acc<T>* dpos = b.out_acc(positions, 1);
        const T* of_dy = b.in(dy);
        run(queue, EmbedTokensBackward<T>{dx, dtoken, dpos, of_dy,
                                          all ? nullptr : b.in_exact(m.place), s});
      });
    }
}

TEST_CASE("tokens.cu: tokens unshuffled as on the CPU, and each gradient alone") {
  enum { everything, dx, token, pos };
  for (const TokenSizes& s : kTokens)
    for (int wanted : {everything, dx, token, pos}) {
      const Mask m = mask_of(s.samples, s.patches, s.kept);
      const int64_t in = int64_t(s.samples) * (s.prefix + s.kept) * s.channels;
      const int64_t out = int64_t(s.samples) * (s.prefix + s.patches) * s.channels;
      const int64_t positions = (int64_t(s.prefix) + s.patches) * s.channels;
      Values x = random_values(in, 1), mask_token = random_values(s.channels, 2);
      Values of_pos = random_values(positions, 3), dy = random_values(out, 4);
      if (wanted == everything)
        check_device("unshuffle", [&]<template <class> class B, class T>(auto queue, B<T>& b) {
          T* y = b.out(out);
          const T *given = b.in(x), *hidden = b.in(mask_token);
          const Acc<T>* p = b.in_acc(of_pos);
          run(queue, Unshuffle<T>{y, given, hidden, p, b.in_exact(m.place), s});
        });
      check_device("unshuffle backward",
                   [&]<template <class> class B, class T>(auto queue, B<T>& b) {
                     UnshuffleBackward<T> p{};
                     if (wanted == everything || wanted == dx) p.dx = b.out(in);
                     if (wanted == everything || wanted == token)
                       p.dmask_token = b.out_acc(s.channels, 1);
                     if (wanted == everything || wanted == pos) p.dpos = b.out_acc(positions, 1);
                     p.dy = b.in(dy), p.place = b.in_exact(m.place), p.sizes = s;
                     run(queue, p);
                   });
    }
}
