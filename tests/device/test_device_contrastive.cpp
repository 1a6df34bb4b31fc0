// What the op table does not see of the contrastive ops and of masks on a device: outputs beside
// the loss, tables written in place, indices that no row has.
#include "device_test.h"
#include <cmath>

using namespace autodidact;

namespace {

Tensor rows_for(int rows, int dim, double phase) {
  Tensor x = empty({rows, dim});
  for (int64_t i = 0; i < x.size(); ++i)
    ptr<float>(x)[i] = float(std::sin(double(i) * 0.7 + phase));
  return x;
}
Tensor indices_for(const Shape& shape, int rows) {
  Tensor indices = empty(shape, Dtype::i64);
  for (int64_t i = 0; i < indices.size(); ++i) ptr<int64_t>(indices)[i] = (i * 5 + i / 7) % rows;
  return indices;
}
Tensor gpu(const Tensor& t) { return to_device(t, Device::cuda); }

}  // namespace

TEST_CASE("device contrastive: ranks and log_mean as on the CPU") {
  const Tensor z = rows_for(10, 6, 0.1), k = rows_for(10, 6, 0.9), bank = rows_for(23, 6, 2);
  const Tensor own = indices_for({10}, 23), noise = indices_for({10, 40}, 23);
  auto outputs = [&](Device device) {
    auto at = [&](const Tensor& t) { return to_device(t, device); };
    Tensor rank = empty({10}, Dtype::i32, device), log_mean = empty({1}, Dtype::f32, device);
    std::vector<int32_t> ranks;
    auto keep = [&] {
      for (int32_t r : values_of<int32_t>(rank)) ranks.push_back(r);
    };
    nt_xent(at(z), 0.3f, &rank), keep();
    infonce(at(z), at(k), at(bank), 0.3f, false, &rank), keep();
    nonparametric_softmax(at(z), at(bank), at(own), 0.3f, false, &rank), keep();
    noise_contrast(at(z), at(bank), at(own), at(noise), 0.3f, 0.7f, &rank, &log_mean), keep();
    return std::pair(ranks, item<float>(log_mean));
  };
  const auto cpu = outputs(Device::cpu);
  REQUIRE(cpu.first.size() == 40);
  for_each_schedule([&](int) {
    const auto device = outputs(Device::cuda);
    CHECK(device.first == cpu.first);
    CHECK(device.second == doctest::Approx(cpu.second).epsilon(1e-6));
  });
}

TEST_CASE("device contrastive: tables written in place hold what the CPU's hold") {
  const Tensor rows = rows_for(9, 5, 0.3), indices = indices_for({9}, 4);
  Tensor bank = rows_for(4, 5, 1), queue = rows_for(7, 5, 2);
  Tensor next = tensor_of<int32_t>({1}, {5});
  for_each_schedule([&](int) {
    Tensor of_bank = clone(gpu(bank)), of_queue = clone(gpu(queue)), of_next = clone(gpu(next));
    Tensor cpu_bank = clone(bank), cpu_queue = clone(queue), cpu_next = clone(next);
    const uint64_t version = of_bank.buffer->version;
    scatter_rows(of_bank, gpu(indices), gpu(rows)), scatter_rows(cpu_bank, indices, rows);
    enqueue(of_queue, of_next, gpu(rows)), enqueue(cpu_queue, cpu_next, rows);
    CHECK(of_bank.buffer->version == version + 1);
    CHECK(values_of<float>(of_bank) == values_of<float>(cpu_bank));
    CHECK(values_of<float>(of_queue) == values_of<float>(cpu_queue));
    CHECK(item<int32_t>(of_next) == item<int32_t>(cpu_next));
  });
}

TEST_CASE("device contrastive: an index that no row has is NaN, and written nowhere") {
  const Tensor v = gpu(rows_for(2, 5, 0.3)), bank = gpu(rows_for(4, 5, 1));
  const Tensor good = on_gpu<int64_t>({2}, {3, 0}), wrong = on_gpu<int64_t>({2}, {3, 4});
  const Tensor noise = on_gpu<int64_t>({2, 1}, {1, 2}), no_noise = on_gpu<int64_t>({2, 1}, {1, -1});
  auto loss = [&](const Tensor& own, const Tensor& against) {
    return item<float>(noise_contrast(v, bank, own, against, 0.3f, 0));
  };
  CHECK(std::isfinite(loss(good, noise)));
  CHECK(std::isnan(loss(wrong, noise)));
  CHECK(std::isnan(loss(good, no_noise)));
  CHECK(std::isfinite(item<float>(nonparametric_softmax(v, bank, good, 0.3f, false))));
  CHECK(std::isnan(item<float>(nonparametric_softmax(v, bank, wrong, 0.3f, false))));
  const std::vector<float> gathered = values_of<float>(gather_rows(bank, wrong));
  for (size_t i = 0; i < gathered.size(); ++i) CHECK(std::isnan(gathered[i]) == (i >= 5));
  Tensor table = clone(bank);
  scatter_rows(table, wrong, v);
  std::vector<float> expected = values_of<float>(bank), rows = values_of<float>(v);
  std::copy_n(rows.begin(), 5, expected.begin() + 15);
  CHECK(values_of<float>(table) == expected);
}

TEST_CASE("device masks: the CPU's numbers, none for no samples") {
  for (const std::vector<int64_t>& indices : {std::vector<int64_t>{3, 17, 1000003}, {}}) {
    const PatchMask cpu = draw_mask(indices, 49, 12, 5, 16, 3);
    const PatchMask device = draw_mask(indices, 49, 12, 5, 16, 3, Device::cuda);
    CHECK(device.visible.device() == Device::cuda);
    CHECK(values_of<int32_t>(device.visible) == values_of<int32_t>(cpu.visible));
    CHECK(values_of<int32_t>(device.place) == values_of<int32_t>(cpu.place));
  }
}
