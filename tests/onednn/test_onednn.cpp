// Our convolutions and products against oneDNN's: a second implementation by other people.
// -DONEDNN=ON builds it. Both sum k products of numbers below 1 in float, in any order: each is
// within k 2^-24 sum |a b| of the exact value (Higham, Accuracy and Stability, 3.1), and sum |a b|
// <= k, so two results differ by at most k^2 2^-23.
#include <doctest/doctest.h>
#include <cmath>
#include <vector>
#include "bench/peers/onednn.h"
#include "kernels/philox.h"

using namespace autodidact;

namespace {

std::vector<float> numbers(int64_t count, uint64_t stream) {
  std::vector<float> v(static_cast<size_t>(count));
  for (size_t i = 0; i < v.size(); ++i) v[i] = uniform(philox(3, i, stream).v[0]) * 2 - 1;
  return v;
}

void check_near(const std::vector<float>& ours, const std::vector<float>& theirs, double terms) {
  double worst = 0, total = 0;
  for (size_t i = 0; i < ours.size(); ++i) {
    double d = std::fabs(double(ours[i]) - double(theirs[i]));
    worst = d > worst || std::isnan(d) ? d : worst;
    total += std::fabs(double(theirs[i]));
  }
  CHECK(worst <= terms * terms * 0x1p-23);
  CHECK(total > 0);
}

}  // namespace

TEST_CASE("oneDNN: convolution, forward and both gradients") {
  for (ConvSizes s :
       {ConvSizes{2, 9, 7, 16, 24, 3, 3, 1, 1}, ConvSizes{3, 8, 8, 32, 16, 3, 3, 2, 1},
        ConvSizes{2, 11, 11, 3, 16, 7, 7, 2, 3}, ConvSizes{2, 6, 6, 16, 40, 1, 1, 2, 0},
        ConvSizes{1, 12, 10, 8, 8, 3, 3, 1, 2, 2}}) {
    INFO(s.c_in << " to " << s.c_out << ", kernel " << s.kh << ", stride " << s.stride);
    auto x = numbers(int64_t(s.n) * s.h * s.w * s.c_in, 1);
    auto w = numbers(int64_t(s.c_out) * s.kh * s.kw * s.c_in, 2);
    auto dy = numbers(int64_t(s.n) * s.out_h() * s.out_w() * s.c_out, 3);
    auto bias = numbers(s.c_out, 4);
    auto y = dy, y_peer = dy, dx = x, dx_peer = x, dw = w, dw_peer = w;
    ConvForward<float> forward{y.data(), x.data(), w.data(), bias.data(), s};
    run(Cpu(), forward);
    forward.y = y_peer.data();
    onednn::run(forward);
    check_near(y, y_peer, double(s.kh) * s.kw * s.c_in + 1);
    ConvBackwardData<float> data{dx.data(), dy.data(), w.data(), s};
    run(Cpu(), data);
    data.dx = dx_peer.data();
    onednn::run(data);
    check_near(dx, dx_peer, double(s.kh) * s.kw * s.c_out);
    ConvBackwardWeights<float> weights{dw.data(), nullptr, dy.data(), x.data(), s};
    run(Cpu(), weights);
    weights.dw = dw_peer.data();
    onednn::run(weights);
    check_near(dw, dw_peer, double(s.n) * s.out_h() * s.out_w());
  }
}

TEST_CASE("oneDNN: products, all transposes") {
  for (int which = 0; which < 4; ++which) {
    const bool ta = which & 1, tb = which & 2;
    const int batch = 2, m = 37, n = 50, k = 65;
    INFO("transpose a " << ta << ", b " << tb);
    auto a = numbers(int64_t(batch) * m * k, 1), b = numbers(int64_t(batch) * k * n, 2);
    std::vector<float> c(size_t(batch) * m * n), peer(c.size());
    Gemm<float> g{.c = c.data(),
                  .a = a.data(),
                  .b = b.data(),
                  .m = m,
                  .n = n,
                  .k = k,
                  .lda = ta ? m : k,
                  .ldb = tb ? k : n,
                  .ldc = n,
                  .transpose_a = ta,
                  .transpose_b = tb,
                  .batch = batch,
                  .stride_a = int64_t(m) * k,
                  .stride_b = int64_t(k) * n,
                  .stride_c = int64_t(m) * n};
    run(Cpu(), g);
    g.c = peer.data();
    onednn::run(g);
    check_near(c, peer, k);
  }
}
