// Without device code every call of a graph runs its step; engine/cuda/graph.cpp has the rest.
#include "engine/graph.h"

#if !defined(HAS_CUDA)
namespace autodidact {

struct Graph::State {};
Graph::Graph(Device, Replay) {}
Graph::~Graph() = default;
bool Graph::replays() const { return false; }
void Graph::operator()(const std::function<void()>& step) { step(); }

}  // namespace autodidact
#endif
