// For tests of the engine on a GPU or on the emulated one.
#pragma once
#include <doctest/doctest.h>
#include <cstring>
#include <vector>
#include "engine/ops.h"
#if defined(CUDA_EMULATED)
#include "tests/emulator/emulator.h"
#endif

namespace autodidact {

// f(i) under three schedules of the emulator; on a GPU three times.
template <class F>
void for_each_schedule(F f) {
#if defined(CUDA_EMULATED)
  uint64_t before = emulator::schedule();
  for (uint64_t seed : {1, 2, 3}) {
    emulator::set_schedule(seed);
    f(int(seed) - 1);
  }
  emulator::set_schedule(before);
#else
  for (int i = 0; i < 3; ++i) f(i);
#endif
}

template <class T>
std::vector<T> values_of(const Tensor& t) {
  Tensor host = to_device(detach(t), Device::cpu);
  return {ptr<const T>(host), ptr<const T>(host) + host.size()};
}

template <class T>
Tensor on_gpu(const Shape& shape, std::initializer_list<T> values) {
  return to_device(tensor_of<T>(shape, values), Device::cuda);
}

}  // namespace autodidact
