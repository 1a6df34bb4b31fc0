// GEMM on emulated CUDA against the CPU: every transpose, both tiles, packs and single elements,
// sizes below, at and above a tile's, k split over blocks. The kernel's own file is included, so
// that the large tile runs on sizes that would not choose it.
#include "gemm_case.h"
#include "kernels/gemm.cu"

using namespace autodidact;
using namespace autodidact::test;

namespace {

const GemmCase kCases[] = {
    {1, 1, 1},
    {1, 5, 3, 2, 0, -2},
    {7, 1, 40, 1, 3, 1, 0, true},
    {64, 64, 32, 1, 0, 0.5, 0, true, true},  // whole tiles and panels, packs
    {72, 8, 64, 2, 8, 1, 0.5, true},         // packs, parts of a tile, unused columns
    {65, 67, 33, 1, 1, 1, 0, true, true},    // one more than whole
    {16, 136, 112, 1, 0, 1, -1},             // three column tiles; more panels than stages
    {9, 20, 0, 2, 0, 1, 0.5, true},          // the sum over nothing
    {5, 6, 0},
};
const GemmCase kLarge[] = {
    {128, 128, 64, 1, 0, 1, 0, true, true}, {131, 136, 72}, {70, 133, 17, 1, 1, 1, -0.5}};
// Split: three parts and a short one; with every epilogue, batches and unused columns.
const GemmCase kSplit[] = {{3, 10, 1550, 1, 0, 1, 0, false, false},
                           {8, 8, 1030, 2, 2, 0.125, 1, true, true}};

void check(const GemmCase& s, bool transpose_a, bool transpose_b, bool narrow) {
  check_gemm(s, transpose_a, transpose_b, narrow, [](auto queue, auto gemm) { run(queue, gemm); });
}

// By the large tile, whatever would be chosen.
void check_large(const GemmCase& s, bool transpose_a, bool transpose_b) {
  check_gemm(
      s, transpose_a, transpose_b, true, [&]<class Q, class T, class Out>(Q queue, Gemm<T, Out> g) {
        if constexpr (std::is_same_v<Q, Cuda>)
          gemm<LargeTile<T>>(queue, g, cut_into<LargeTile<T>>(true, s.m, s.n, s.k, s.batch, false),
                             nullptr);
        else run(queue, g);
      });
}

}  // namespace

TEST_CASE("gemm.cu: as on the CPU, whatever is transposed") {
  for (bool transpose_a : {false, true})
    for (bool transpose_b : {false, true})
      for (const GemmCase& s : kCases) check(s, transpose_a, transpose_b, true);
}

TEST_CASE("gemm.cu: the large tile") {
  for (bool transpose_a : {false, true})
    for (bool transpose_b : {false, true})
      for (const GemmCase& s : kLarge) check_large(s, transpose_a, transpose_b);
}

TEST_CASE("gemm.cu: a long k is split over blocks, the parts are added in order") {
  for (const GemmCase& s : kSplit) {
    CHECK(choose_cut<float>(s.m, s.n, s.k, s.batch, true).splits > 1);
    check(s, true, false, true);
    check(s, false, true, false);
  }
}

TEST_CASE("gemm.cu: bf16 operands, float sums") {
  for (const GemmCase& s : kCases) check(s, s.m % 2 == 1, s.n % 2 == 1, false);
}

TEST_CASE("gemm.cu: how a product is cut") {
  for (int m : {1, 64, 200, 5000, 300000})
    for (int n : {1, 65, 768})
      for (int k : {0, 1, 511, 4000, 262144})
        for (int batch : {1, 24}) {
          const Cut cut = choose_cut<bf16>(m, n, k, batch, true);
          const int tile = cut.large ? 128 : 64;
          CAPTURE(m);
          CAPTURE(n);
          CAPTURE(k);
          CHECK(int64_t(cut.rows) * tile >= m);
          CHECK(int64_t(cut.columns) * tile >= n);
          CHECK(int64_t(cut.splits) * cut.depth >= k);
          CHECK((cut.splits == 1 || int64_t(cut.splits - 1) * cut.depth < k));  // none is empty
          CHECK(cut.depth % 32 == 0);
          CHECK((cut.splits == 1 || int64_t(cut.splits) * m * n * batch <= kMostParts));
          CHECK(cut.blocks == unsigned(cut.rows * cut.columns * cut.splits * batch));
        }
  CHECK(choose_cut<bf16>(16384, 768, 192, 1, true).large);
  CHECK_FALSE(choose_cut<bf16>(65536, 64, 576, 1, true).large);
  CHECK(choose_cut<bf16>(192, 768, 16384, 1, true).splits > 1);
  CHECK(choose_cut<bf16>(192, 768, 16384, 1, false).splits == 1);
}
