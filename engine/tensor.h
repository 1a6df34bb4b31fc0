// Tensor: a handle to dense memory. No strides: a view exists only where its bytes are contiguous
// (reshape, slice of the first dimension). Images and feature maps are NHWC; convolution weights
// OHWI.
#pragma once
#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <ostream>
#include "engine/check.h"
#include "engine/memory.h"
#include "engine/scratch_file.h"
#include "kernels/types.h"

namespace autodidact {

enum class Dtype : uint8_t { f32, bf16, f64, i32, i64, u8 };
size_t bytes_of(Dtype d);
const char* name(Dtype d);  // "f32", ...
Dtype acc(Dtype d);         // the dtype of sums, statistics and parameter gradients: f64 or f32
inline bool is_floating(Dtype d) { return d == Dtype::f32 || d == Dtype::bf16 || d == Dtype::f64; }
std::ostream& operator<<(std::ostream& out, Dtype d);

template <class T>
struct DtypeOf;
template <>
struct DtypeOf<float> {
  static constexpr Dtype value = Dtype::f32;
};
template <>
struct DtypeOf<bf16> {
  static constexpr Dtype value = Dtype::bf16;
};
template <>
struct DtypeOf<double> {
  static constexpr Dtype value = Dtype::f64;
};
template <>
struct DtypeOf<int32_t> {
  static constexpr Dtype value = Dtype::i32;
};
template <>
struct DtypeOf<int64_t> {
  static constexpr Dtype value = Dtype::i64;
};
template <>
struct DtypeOf<uint8_t> {
  static constexpr Dtype value = Dtype::u8;
};
template <class T>
constexpr Dtype dtype_of = DtypeOf<T>::value;

// Up to 6 dimensions, each >= 0; their product is checked against 2^62 when it is taken.
class Shape {
 public:
  static constexpr int kMaxRank = 6;
  Shape() = default;
  Shape(std::initializer_list<int> dims);
  template <class It>
  Shape(It begin, It end) {
    for (; begin != end; ++begin) push_back(int(*begin));
  }
  void push_back(int d);
  int rank() const { return rank_; }
  int operator[](int i) const { return dims_[size_t(i)]; }
  int& operator[](int i) { return dims_[size_t(i)]; }
  int back() const { return dims_[size_t(rank_ - 1)]; }
  const int* begin() const { return dims_.data(); }
  const int* end() const { return dims_.data() + rank_; }
  int64_t size() const;  // the product; 1 for rank 0
  bool operator==(const Shape&) const;

 private:
  std::array<int, kMaxRank> dims_{};
  int rank_ = 0;
};
std::ostream& operator<<(std::ostream& out, const Shape& s);  // [4, 32, 32, 3]

// Memory from the arena, or a scratch file's. Every in-place writer (optimizer, EMA, queue) raises
// the version: backward refuses to compute with saved memory whose version has moved.
struct Buffer {
  void* data = nullptr;
  size_t bytes = 0;
  Device device = Device::cpu;
  uint64_t version = 0;
  std::shared_ptr<Arena> arena;       // null: the memory is
  std::unique_ptr<ScratchFile> file;  // this one's, and the CPU's
  Buffer(size_t bytes, Device device, const char* op);
  Buffer(size_t bytes, const std::string& folder);
  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
};

struct Node;  // engine/autograd.h

struct Tensor {
  std::shared_ptr<Buffer> buffer;  // views share it
  size_t offset = 0;               // bytes from buffer->data
  Shape shape;
  Dtype dtype = Dtype::f32;
  std::shared_ptr<Node> node;  // in the handle, not in the memory: saving a tensor forms no cycle

  explicit operator bool() const { return bool(buffer); }
  int64_t size() const { return shape.size(); }
  size_t bytes() const { return size_t(size()) * bytes_of(dtype); }
  Device device() const { return buffer ? buffer->device : Device::cpu; }
  void* data() const { return buffer ? static_cast<char*>(buffer->data) + offset : nullptr; }
};

// Whose memory the code that runs may touch: the CPU's, and inside of a dispatch its device's.
inline thread_local Device reachable = Device::cpu;

// Typed pointer to a tensor's first element; null for an empty handle; an error if the dtype is
// another one, or if the memory is not the running device's.
template <class T>
T* ptr(const Tensor& t) {
  if (!t.buffer) return nullptr;
  check(t.device() == reachable, "tensor on ", t.device(), " read by code that runs on ", reachable,
        ": copy it with to_device, or read one value with item");
  check(t.dtype == dtype_of<std::remove_const_t<T>>, "tensor of ", t.dtype, " read as ",
        dtype_of<std::remove_const_t<T>>);
  return static_cast<T*>(t.data());
}

// Contents undefined. `op` is named where memory runs out.
Tensor empty(const Shape& shape, Dtype dtype = Dtype::f32, Device device = Device::cpu,
             const char* op = __builtin_FUNCTION());
// The same in a scratch file in this folder.
Tensor empty_on_disk(const Shape& shape, Dtype dtype, const std::string& folder);
inline Tensor empty_like(const Tensor& t, const char* op = __builtin_FUNCTION()) {
  return empty(t.shape, t.dtype, t.device(), op);
}
Tensor full(const Shape& shape, double value, Dtype dtype = Dtype::f32,
            Device device = Device::cpu);
inline Tensor zeros(const Shape& shape, Dtype dtype = Dtype::f32, Device device = Device::cpu) {
  return full(shape, 0, dtype, device);
}
void fill(Tensor& t, double value);  // raises the version
// Same shape, any devices; converts the dtype; raises the version of `to`.
void copy(Tensor& to, const Tensor& from);
Tensor clone(const Tensor& t);
Tensor cast(
    const Tensor& t,
    Dtype dtype);  // a copy, or t itself where the dtype is already right; not differentiable
Tensor to_device(const Tensor& t, Device device);  // a copy, or t itself where it is there already
void accumulate(Tensor& to,
                const Tensor& from);     // to += from, same shape and dtype; raises the version
Tensor sum_of_squares(const Tensor& t);  // of its elements: a scalar on its device
void increment(Tensor& counter);         // += 1 of one i64; raises the version

// Views without a node: the differentiable ones are in ops.h.
Tensor view(const Tensor& t, const Shape& shape);       // same size
Tensor view_rows(const Tensor& t, int begin, int end);  // [begin, end) of the first dimension
Tensor view_flat(const Tensor& t, int64_t begin,
                 const Shape& shape);  // shape.size() elements from element `begin`

// A tensor's one value, wherever it lies. Waits for it.
template <class T>
T item(const Tensor& t) {
  check(t.size() == 1, "item: a tensor of one element is needed, got ", t.shape);
  return *ptr<const T>(to_device(t, Device::cpu));
}

// A new tensor with these shape.size() values of the host's memory.
template <class T>
Tensor from_host(const Shape& shape, const T* values, Device device) {
  Tensor t = empty(shape, dtype_of<T>, device);
  transfer(t.data(), device, values, Device::cpu, t.bytes());
  return t;
}

template <class T>
Tensor tensor_of(const Shape& shape, std::initializer_list<T> values) {
  Tensor t = empty(shape, dtype_of<T>);
  check(t.size() == int64_t(values.size()), "tensor_of: ", shape, " needs ", t.size(),
        " values, got ", values.size());
  T* p = ptr<T>(t);
  for (T v : values) *p++ = v;
  return t;
}

}  // namespace autodidact
