#include "engine/graph.h"
#include <algorithm>
#include <cstring>
#include <sstream>
#include <vector>
#include "engine/cuda/driver.h"
#include "engine/memory.h"

namespace autodidact {
namespace {

using Notes = std::vector<LaunchNote>;

// Launches of this scope are written down.
struct Noting {
  explicit Noting(Notes& notes) { launch_notes = &notes; }
  ~Noting() { launch_notes = nullptr; }
};

// The first byte at which the arguments differ, or -1. Addresses in the graph's own arena are its
// own business: what outlives one call may lie elsewhere in the next, while a replay keeps it.
int64_t first_difference(const LaunchNote& a, const LaunchNote& b, const Arena& own) {
  auto word = [](const LaunchNote& n, size_t i) {
    const void* p;
    std::memcpy(&p, &n.arguments[i], sizeof p);
    return p;
  };
  size_t n = std::min(a.arguments.size(), b.arguments.size());
  for (size_t i = 0; i < n;)
    if (i % 8 == 0 && i + 8 <= n && own.owns(word(a, i)) && own.owns(word(b, i))) i += 8;
    else if (a.arguments[i] != b.arguments[i]) return int64_t(i);
    else ++i;
  return a.arguments.size() == b.arguments.size() ? -1 : int64_t(n);
}

std::string difference(const Notes& first, const Notes& now, const Arena& own) {
  std::ostringstream text;
  for (size_t i = 0; i < std::max(first.size(), now.size()); ++i) {
    if (i >= first.size() || i >= now.size()) {
      text << "launch " << i << ": the first call made " << first.size() << " launches, this one "
           << now.size();
      return text.str();
    }
    const LaunchNote &a = first[i], &b = now[i];
    bool same_shape = std::equal(a.grid, a.grid + 3, b.grid) &&
                      std::equal(a.block, a.block + 3, b.block) && a.shared_bytes == b.shared_bytes;
    int64_t byte = first_difference(a, b, own);
    if (a.kernel == b.kernel && same_shape && byte < 0) continue;
    text << "launch " << i << " of " << now.size() << ", " << b.kernel << ": ";
    if (a.kernel != b.kernel) text << "in the first call it was " << a.kernel;
    else if (!same_shape) text << "another grid, block or size of shared memory";
    else text << "byte " << byte << " of its arguments differs from the first call's";
    return text.str();
  }
  return "";
}

}  // namespace

struct Graph::State {
  Replay replay;
  std::shared_ptr<Arena> arena = new_cuda_arena();
  int64_t calls = 0;
  CUgraphExec_st* captured = nullptr;
  Notes first;

  void run(const std::function<void()>& step) {
    MemoryOfStep memory(arena, false);
    step();
  }

  // What outlived the first call (a loss that is looked at) is still there while the second makes
  // its own: so much more is needed, and its place may split what was one piece.
  void capture(const std::function<void()>& step) {
    arena->grow(2 * arena->in_use());
    synchronize(Device::cuda);
    CUstream_st* stream = cuda_queue().stream;
    MemoryOfStep memory(arena, true);
    arena->allow_growth(false);
    cuda::begin_capture(stream);
    try {
      step();
      captured = cuda::end_capture(stream);
    } catch (...) {
      if (!captured) cuda::drop_capture(stream);
      arena->allow_growth(true);
      throw;
    }
    arena->allow_growth(true);
  }

  void compare(const std::function<void()>& step) {
    Notes notes;
    {
      Noting noting(notes);
      run(step);
    }
    if (calls == 1) return void(first = std::move(notes));
    std::string text = difference(first, notes, *arena);
    check(text.empty(), "graph: call ", calls, " would not be what a replay does: ", text);
  }
};

Graph::Graph(Device device, Replay replay) {
  if (device != Device::cuda || replay == Replay::never) return;
  state_ = std::make_unique<State>();
  state_->replay = replay;
}
Graph::~Graph() {
  if (state_ && state_->captured) cuda::destroy(state_->captured);
}

bool Graph::replays() const { return state_ && state_->captured; }

void Graph::operator()(const std::function<void()>& step) {
  if (!state_) return step();
  State& s = *state_;
  ++s.calls;
  if (s.replay == Replay::checked) return s.compare(step);
  if (s.calls == 1) return s.run(step);
  if (!s.captured) s.capture(step);
  cuda::launch(s.captured, cuda_queue().stream);
}

}  // namespace autodidact
