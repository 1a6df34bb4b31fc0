// parallel_for: static partition over a thread pool. The chunks depend on n and grain alone, never
// on the number of threads, and a chunk is computed by one thread from start to end: results are
// the same bytes for any thread count. A sum over chunks is made deterministic by writing one
// partial per chunk and adding the partials in order.
#pragma once
#include <cstdint>
#include <memory>
#include <type_traits>

namespace autodidact {

int thread_count();            // default: the CPUs this process may use
void set_thread_count(int n);  // >= 1; not from inside a parallel region

inline int64_t chunk_count(int64_t n, int64_t grain) { return (n + grain - 1) / grain; }

namespace detail {
// Runs body(context, chunk) for every chunk in [0, chunks); thread t takes one contiguous range of
// chunks.
void run_chunks(int64_t chunks, void (*body)(void* context, int64_t chunk), void* context);
}  // namespace detail

// f(chunk, begin, end) for each chunk [begin, end) of [0, n). A call from inside a parallel region
// runs in place. An exception from f is rethrown here (the one of the lowest chunk) after all
// threads have stopped.
template <class F>
void for_chunks(int64_t n, int64_t grain, F&& f) {
  struct Context {
    std::remove_reference_t<F>* f;
    int64_t n, grain;
  } context{&f, n, grain};
  detail::run_chunks(
      chunk_count(n, grain),
      [](void* c, int64_t chunk) {
        auto& k = *static_cast<Context*>(c);
        int64_t begin = chunk * k.grain, end = begin + k.grain < k.n ? begin + k.grain : k.n;
        (*k.f)(chunk, begin, end);
      },
      &context);
}

// f(begin, end) for each chunk.
template <class F>
void parallel_for(int64_t n, int64_t grain, F&& f) {
  for_chunks(n, grain, [&](int64_t, int64_t begin, int64_t end) { f(begin, end); });
}

// Working memory of a kernel on the calling thread, 64-byte aligned, kept by the thread for the
// next kernel and freed in reverse order of creation. Contents start undefined.
class ScratchBytes {
 public:
  explicit ScratchBytes(size_t bytes);
  ~ScratchBytes();
  ScratchBytes(const ScratchBytes&) = delete;
  ScratchBytes& operator=(const ScratchBytes&) = delete;
  void* data() const { return data_; }

 private:
  void* data_;
  size_t bytes_;
};
template <class T>
class Scratch {
 public:
  explicit Scratch(int64_t count) : bytes_(size_t(count) * sizeof(T)) {}
  T* data() const { return static_cast<T*>(bytes_.data()); }
  T& operator[](int64_t i) const { return data()[i]; }

 private:
  ScratchBytes bytes_;
};
size_t scratch_high_water();  // bytes, the sum of all threads' peaks

}  // namespace autodidact
