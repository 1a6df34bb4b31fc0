// Graph: a step that is recorded once and then replayed. On the GPU the first call runs the step,
// the second captures it, later ones replay its launches with one call; on the CPU every call runs
// it. What a step does on the host (reading values, choosing, counting) happens in the first two
// calls alone: what changes from step to step lies in the device's memory and is written there
// before the call (Optimizer::prepare, a batch copied into the tensors it was captured with).
//
//   Graph step(device);
//   for (...) {
//     copy(batch, next), optimizer.prepare(rate);
//     step([&] { loss = objective(batch); backward(loss); optimizer.update(); });
//     item<float>(loss);
//   }
//
// Tensors made in the step come from the graph's own arena, which nobody else uses; those that
// outlive it keep their address, and hold the last step's values.
#pragma once
#include <functional>
#include <memory>
#include "engine/device.h"

namespace autodidact {

enum class Replay {
  never,   // every call runs the step
  always,  // from the third call on
  // Every call runs the step, and its launches are compared with those of the first: an argument
  // that differs would be wrong in a replay. ErrorKind::failure names the launch. For tests.
  checked
};

class Graph {
 public:
  explicit Graph(Device device, Replay replay = Replay::always);
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  void operator()(const std::function<void()>& step);
  bool replays() const;  // the next call will not run the step's host code

 private:
  struct State;
  std::unique_ptr<State> state_;  // null where every call just runs
};

}  // namespace autodidact
