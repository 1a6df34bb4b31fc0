#include "bench/cases/case.h"
#include <algorithm>
#include "kernels/parallel.h"
#include "kernels/philox.h"

namespace autodidact {

int BenchShape::operator[](const std::string& key) const {
  for (auto& [name, value] : sizes)
    if (name == key) return value;
  fail(ErrorKind::failure, "bench: a shape without ", key, ": ", text());
}

int64_t BenchShape::product(std::initializer_list<const char*> keys) const {
  int64_t n = 1;
  for (const char* key : keys)
    if (__builtin_mul_overflow(n, int64_t((*this)[key]), &n))
      fail(ErrorKind::usage, "bench: ", text(), " is too large");
  return n;
}

std::string BenchShape::text() const {
  std::string text;
  for (auto& [key, value] : sizes)
    text += (text.empty() ? "" : ",") + key + "=" + std::to_string(value);
  return text;
}

std::vector<BenchKernel> bench_kernels() {
  std::vector<BenchKernel> all;
  for (auto family :
       {gemm_benches, conv_benches, norm_benches, softmax_benches, infonce_benches, pool_benches,
        elementwise_benches, token_benches, augment_benches, optimizer_benches})
    for (BenchKernel& kernel : family()) all.push_back(std::move(kernel));
  return all;
}

void BenchMemory::refuse_large(int64_t count, size_t size) const {
  constexpr int64_t kMost = INT32_MAX;  // a typing error should not swap the machine
  if (count < 1 || count > kMost || bytes_ + count * int64_t(size) > kMost)
    fail(ErrorKind::usage, "bench: the arrays of this shape take 2 GiB or more");
}

void* BenchMemory::add(const void* values, int64_t count, size_t size) {
  refuse_large(count, size);
  bytes_ += count * int64_t(size);
  Tensor& t = arrays_.emplace_back(empty({int(count * int64_t(size))}, Dtype::u8, device_));
  transfer(t.data(), device_, values, Device::cpu, t.bytes());
  return t.data();
}

void BenchMemory::draw(float* p, int64_t count) {
  const uint64_t array = drawn_++;
  parallel_for((count + 3) / 4, 1 << 14, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Philox4 bits = philox(kBenchSeed, uint64_t(i), array);
      for (int64_t j = 4 * i; j < std::min(4 * i + 4, count); ++j)
        p[j] = 2 * uniform(bits.v[j % 4]) - 1;
    }
  });
}

void BenchMemory::draw(bf16* p, int64_t count) {
  std::vector<float> wide(static_cast<size_t>(count));
  draw(wide.data(), count);
  std::transform(wide.begin(), wide.end(), p, [](float value) { return bf16(value); });
}

}  // namespace autodidact
