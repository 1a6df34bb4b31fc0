// Shapes, dtypes, buffers, and what is done to whole tensors without a tape: fill, copy, cast,
// views.
#include "engine/tensor.h"
#include <algorithm>
#include <limits>
#include "engine/dispatch.h"
#include "kernels/elementwise.h"
#include "kernels/reduction.h"

namespace autodidact {

size_t bytes_of(Dtype d) {
  switch (d) {
    case Dtype::f64:
    case Dtype::i64:
      return 8;
    case Dtype::f32:
    case Dtype::i32:
      return 4;
    case Dtype::bf16:
      return 2;
    case Dtype::u8:
      return 1;
  }
  return 0;
}

const char* name(Dtype d) {
  constexpr const char* kNames[] = {"f32", "bf16", "f64", "i32", "i64", "u8"};
  return kNames[size_t(d)];
}

Dtype acc(Dtype d) { return d == Dtype::f64 ? Dtype::f64 : Dtype::f32; }
std::ostream& operator<<(std::ostream& out, Dtype d) { return out << name(d); }

Shape::Shape(std::initializer_list<int> dims) : Shape(dims.begin(), dims.end()) {}

void Shape::push_back(int d) {
  check(rank_ < kMaxRank, "shape: at most ", kMaxRank, " dimensions");
  check(d >= 0, "shape: a dimension must be >= 0, got ", d);
  dims_[size_t(rank_++)] = d;
}

int64_t Shape::size() const {
  int64_t n = 1;
  for (int d : *this)
    if (__builtin_mul_overflow(n, int64_t(d), &n) || n > (int64_t(1) << 62))
      fail(ErrorKind::failure, "shape: ", *this, " is too large");
  return n;
}

bool Shape::operator==(const Shape& other) const {
  return rank_ == other.rank_ && std::equal(begin(), end(), other.begin());
}

std::ostream& operator<<(std::ostream& out, const Shape& s) {
  out << '[';
  for (int i = 0; i < s.rank(); ++i) out << (i ? ", " : "") << s[i];
  return out << ']';
}

Buffer::Buffer(size_t n, Device d, const char* op)
    : data(arena_of(d)->allocate(n, op)), bytes(n), device(d), arena(arena_of(d)) {}
Buffer::Buffer(size_t n, const std::string& folder)
    : bytes(n), file(std::make_unique<ScratchFile>(folder, n)) {
  data = file->data();
}
Buffer::~Buffer() {
  if (arena) arena->release(data);
}

Tensor empty(const Shape& shape, Dtype dtype, Device device, const char* op) {
  Tensor t;
  t.shape = shape, t.dtype = dtype;
  t.buffer = std::make_shared<Buffer>(t.bytes(), device, op);
  return t;
}

Tensor empty_on_disk(const Shape& shape, Dtype dtype, const std::string& folder) {
  Tensor t;
  t.shape = shape, t.dtype = dtype;
  t.buffer = std::make_shared<Buffer>(t.bytes(), folder);
  return t;
}

void fill(Tensor& t, double value) {
  if (!is_floating(t.dtype) &&
      t.device() != Device::cpu)  // counters and labels: no kernel for them
    return copy(t, full(t.shape, value, t.dtype));
  switch (t.dtype) {
    case Dtype::i32:
      std::fill_n(ptr<int32_t>(t), t.size(), int32_t(value));
      break;
    case Dtype::i64:
      std::fill_n(ptr<int64_t>(t), t.size(), int64_t(value));
      break;
    case Dtype::u8:
      std::fill_n(ptr<uint8_t>(t), t.size(), uint8_t(value));
      break;
    default:
      dispatch(t, [&]<class T>(auto queue, T) {
        run(queue, Fill<T>{.y = ptr<T>(t), .n = t.size(), .value = value});
      });
  }
  ++t.buffer->version;
}

Tensor full(const Shape& shape, double value, Dtype dtype, Device device) {
  Tensor t = empty(shape, dtype, device);
  fill(t, value);
  return t;
}

// Between devices and dtypes at once, the conversion is the CPU's, which has all of them.
void copy(Tensor& to, const Tensor& from) {
  check(to.shape == from.shape, "copy: shapes must agree, got ", to.shape, " and ", from.shape);
  if (to.dtype == from.dtype) {
    transfer(to.data(), to.device(), from.data(), from.device(), to.bytes());
  } else if (to.device() == from.device()) {
    auto convert = [&]<class Queue, class To>(Queue, To) {
      auto read = [&]<class Same, class From>(Same queue, From) {
        if constexpr (!std::is_same_v<To, From> && std::is_same_v<Queue, Same>)
          run(queue, Cast<To, From>{ptr<To>(to), ptr<const From>(from), to.size()});
      };
      dispatch(from, read, "copy");
    };
    dispatch(to, convert);
  } else {
    Tensor converted = cast(to_device(from, Device::cpu), to.dtype);
    transfer(to.data(), to.device(), converted.data(), Device::cpu, to.bytes());
  }
  ++to.buffer->version;
}

Tensor clone(const Tensor& t) {
  Tensor c = empty_like(t);
  copy(c, t);
  return c;
}

Tensor cast(const Tensor& t, Dtype dtype) {
  if (t.dtype == dtype) return t;
  Tensor c = empty(t.shape, dtype, t.device());
  copy(c, t);
  return c;
}

Tensor to_device(const Tensor& t, Device device) {
  if (t.device() == device) return t;
  Tensor c = empty(t.shape, t.dtype, device);
  copy(c, t);
  return c;
}

void accumulate(Tensor& to, const Tensor& from) {
  check(to.shape == from.shape, "accumulate: shapes must agree, got ", to.shape, " and ",
        from.shape);
  dispatch(to, [&]<class T>(auto queue, T) {
    run(queue, Accumulate<T>{ptr<T>(to), ptr<const T>(from), to.size()});
  });
  ++to.buffer->version;
}

Tensor sum_of_squares(const Tensor& t) {
  Tensor y = empty({}, acc(t.dtype), t.device());
  dispatch(t, [&]<class T>(auto queue, T) {
    run(queue, SumOfSquares<T>{ptr<Acc<T>>(y), ptr<const T>(t), t.size()});
  });
  return y;
}

void increment(Tensor& counter) {
  check(counter.size() == 1, "increment: one counter is needed, got ", counter.shape);
  on_device(counter, [&](auto queue) { run(queue, Increment{ptr<int64_t>(counter)}); });
  ++counter.buffer->version;
}

Tensor view(const Tensor& t, const Shape& shape) {
  check(shape.size() == t.size(), "view: ", t.shape, " has ", t.size(), " elements, ", shape, " ",
        shape.size());
  Tensor v = t;
  v.shape = shape, v.node = nullptr;
  return v;
}

Tensor view_rows(const Tensor& t, int begin, int end) {
  check(t.shape.rank() >= 1 && 0 <= begin && begin <= end && end <= t.shape[0], "view_rows: rows ",
        begin, " to ", end, " of ", t.shape);
  Tensor v = t;
  int64_t row = 1;
  for (int i = 1; i < t.shape.rank(); ++i) row *= t.shape[i];
  v.offset += size_t(begin) * size_t(row) * bytes_of(t.dtype);
  v.shape[0] = end - begin, v.node = nullptr;
  return v;
}

Tensor view_flat(const Tensor& t, int64_t begin, const Shape& shape) {
  check(begin >= 0 && begin + shape.size() <= t.size(), "view_flat: ", shape, " from element ",
        begin, " of ", t.size());
  Tensor v = t;
  v.offset += size_t(begin) * bytes_of(t.dtype);
  v.shape = shape, v.node = nullptr;
  return v;
}

}  // namespace autodidact
