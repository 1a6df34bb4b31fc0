// Parameters: the constructor lays a model's tensors into flat buffers; the rest switches gradients
// on, off and to zero.
#include "engine/module.h"
#include <limits>
#include <unordered_map>
#include <unordered_set>

namespace autodidact {

Parameters::Parameters(const std::vector<NamedTensor>& tensors, Dtype compute_dtype) {
  check(compute_dtype == Dtype::f32 || compute_dtype == Dtype::bf16 || compute_dtype == Dtype::f64,
        "parameters: compute in f32, bf16 or f64, got ", compute_dtype);
  Dtype master = acc(compute_dtype);
  std::unordered_set<std::string> names;
  std::unordered_map<Tensor*, std::string> visited;
  int64_t total = 0;
  Device device = tensors.empty() ? Device::cpu : tensors.front().tensor->device();
  for (auto& [name, tensor, role] : tensors) {
    check(!*tensor || tensor->device() == device, "parameters: ", name, " is on ", tensor->device(),
          ", others on ", device);
    check(names.insert(name).second, "parameters: two tensors are named ", name);
    auto [first, is_new] = visited.emplace(tensor, name);
    check(is_new, "parameters: ", first->second, " and ", name,
          " are one tensor: visit it under one name");
    if (role == Role::buffer) continue;
    check(bool(*tensor), "parameters: ", name, " has no memory");
    segments_.push_back({name, total, tensor->size(), tensor->shape, role, tensor});
    total += (tensor->size() + kAlign - 1) / kAlign * kAlign;
  }
  check(total > 0, "parameters: the model has none");
  check(total <= std::numeric_limits<int>::max(), "parameters: at most 2^31 - 1 numbers, got ",
        total);
  value = zeros({int(total)}, master, device);
  grad = zeros({int(total)}, master, device);
  if (compute_dtype == Dtype::bf16) compute = zeros({int(total)}, Dtype::bf16, device);
  for (Segment& s : segments_) {
    Tensor home = view_flat(value, s.begin, s.shape);
    copy(home, *s.tensor);
    bool low = compute && (s.role == Role::weight || s.role == Role::conv_weight);
    *s.tensor = parameter(low ? view_flat(compute, s.begin, s.shape) : home,
                          view_flat(grad, s.begin, s.shape));
    nodes_.push_back(s.tensor->node);
  }
  refresh_compute();
}

int64_t Parameters::count() const {
  int64_t n = 0;
  for (const Segment& s : segments_) n += s.size;
  return n;
}

void Parameters::zero_grad() {
  for (auto& node : nodes_) node->grad_written = false;
}

void Parameters::finish_grad() {
  for (auto& node : nodes_)
    if (!node->grad_written) {
      fill(node->grad, 0);
      node->grad_written = true;
    }
}

void Parameters::refresh_compute() {
  if (compute) copy(compute, value);
}

// A tensor belongs to a module if it is it, or lies inside it.
static bool belongs(const std::string& name, const std::string& module) {
  return module.empty() || name == module || name.rfind(module + ".", 0) == 0;
}

void Parameters::freeze(const std::string& module) {
  for (Segment& s : segments_)
    if (belongs(s.name, module)) s.tensor->node = nullptr;
}

void Parameters::thaw(const std::string& module) {
  for (size_t i = 0; i < segments_.size(); ++i)
    if (belongs(segments_[i].name, module)) segments_[i].tensor->node = nodes_[i];
}

Frozen::Frozen(Parameters& p) : parameters_(p) {
  for (size_t i = 0; i < p.segments().size(); ++i) was_frozen_.push_back(p.is_frozen(i));
  p.freeze();
}

Frozen::~Frozen() {
  for (size_t i = 0; i < was_frozen_.size(); ++i)
    if (!was_frozen_[i]) parameters_.thaw(parameters_.segments()[i].name);
}

}  // namespace autodidact
