// Modules and their parameters. A module is a struct with `void visit(Visitor& v)` that names its
// parts; the names, joined by dots, are the names in checkpoints (torchvision's and timm's).
// Parameters puts all of a model's parameters into one flat buffer, each 256-byte aligned, with a
// gradient buffer of the same layout: an optimizer step, a momentum encoder's update and a
// test-time reset are each one kernel or one copy.
#pragma once
#include <string>
#include <vector>
#include "engine/autograd.h"

namespace autodidact {

enum class Role : uint8_t {
  weight,       // convolution and linear weights: bf16 under bf16 training, weight decay applies
  conv_weight,  // the same, OHWI in memory and OIHW in files
  scalar,  // biases, norm scales and shifts: always f32, no decay where the recipe excludes them
  buffer,  // running statistics: not trained, saved with the model, always f32 (or i64 counts)
};

class Visitor {
 public:
  virtual ~Visitor() = default;
  void operator()(const std::string& part, Tensor& t, Role role) {
    tensor(prefix_ + part, t, role);
  }
  template <class M>
  requires requires(M& m, Visitor& v) { m.visit(v); }
  void operator()(const std::string& part, M& module) {
    std::string outer = prefix_;
    prefix_ += part + ".";
    module.visit(*this);
    prefix_ = outer;
  }
  template <class M>
  void operator()(const std::string& part, std::vector<M>& modules) {
    for (size_t i = 0; i < modules.size(); ++i) (*this)(part + "." + std::to_string(i), modules[i]);
  }
  virtual void tensor(const std::string& name, Tensor& t, Role role) = 0;
  virtual void training(bool&) {
  }  // called by layers that behave differently in training (BatchNorm, Dropout)
  virtual void batch_splits(int&) {}  // called by layers with statistics of the batch
  virtual void adapting(float&) {}    // called by layers with running statistics

 private:
  std::string prefix_;
};

struct NamedTensor {
  std::string name;
  Tensor* tensor;
  Role role;
};
namespace detail {
struct Collect : Visitor {
  std::vector<NamedTensor> found;
  void tensor(const std::string& name, Tensor& t, Role role) override {
    found.push_back({name, &t, role});
  }
};
struct SetTraining : Visitor {
  explicit SetTraining(bool on) : on_(on) {}
  bool on_;
  void tensor(const std::string&, Tensor&, Role) override {}
  void training(bool& flag) override { flag = on_; }
};
struct SetBatchSplits : Visitor {
  explicit SetBatchSplits(int splits) : splits_(splits) {}
  int splits_;
  void tensor(const std::string&, Tensor&, Role) override {}
  void batch_splits(int& splits) override { splits = splits_; }
};
struct SetAdapting : Visitor {
  explicit SetAdapting(float part) : part_(part) {}
  float part_;
  void tensor(const std::string&, Tensor&, Role) override {}
  void adapting(float& part) override { part = part_; }
};
}  // namespace detail

// Every tensor of a model in the order of visit(): parameters and buffers.
template <class M>
std::vector<NamedTensor> named_tensors(M& model) {
  detail::Collect v;
  model.visit(v);
  return std::move(v.found);
}
// Batch statistics (true) or running statistics (false) in the layers that know the difference.
template <class M>
void set_training(M& model, bool on) {
  detail::SetTraining v(on);
  model.visit(v);
}

// Batch statistics over `splits` equal parts of the batch, each by itself (MoCo's split BatchNorm).
template <class M>
void set_batch_splits(M& model, int splits) {
  detail::SetBatchSplits v(splits);
  model.visit(v);
}

// In evaluation every batch first moves the running statistics this part of the way to its own,
// layer by layer, and is then normalised by them (Schneider et al. 2020); 0: it leaves them alone.
template <class M>
void set_adapting(M& model, float part) {
  detail::SetAdapting v(part);
  model.visit(v);
}

// Every tensor of a model to this device, before Parameters makes views of them.
template <class M>
void move_to(M& model, Device device) {
  for (auto& [name, tensor, role] : named_tensors(model)) *tensor = to_device(*tensor, device);
}

class Parameters {
 public:
  struct Segment {
    std::string name;
    int64_t begin, size;  // elements of the flat buffers; the gap to the next segment is zero
    Shape shape;
    Role role;
    Tensor*
        tensor;  // the model's handle: a view of `value`, or of `compute` for weights under bf16
  };
  static constexpr int64_t kAlign = 64;  // elements: 256 bytes of f32

  Parameters() = default;
  // Moves the parameters of the model into flat buffers and makes its tensors views of them, on the
  // device where they are. The model must outlive this object and must not move. compute: f32 or
  // bf16 (f64 for gradient checks of whole models).
  template <class M>
  explicit Parameters(M& model, Dtype compute_dtype = Dtype::f32)
      : Parameters(named_tensors(model), compute_dtype) {}
  Parameters(const std::vector<NamedTensor>& tensors, Dtype compute_dtype);
  Parameters(const Parameters&) = delete;  // two owners of one model's gradients
  Parameters& operator=(const Parameters&) = delete;
  Parameters(Parameters&&) = default;
  Parameters& operator=(Parameters&&) = default;

  Tensor value;    // f32 [size()], the master weights
  Tensor grad;     // f32 [size()]
  Tensor compute;  // bf16 [size()] copy of value under bf16 training, else empty
  const std::vector<Segment>& segments() const { return segments_; }
  int64_t size() const { return value.size(); }  // elements with gaps
  int64_t count() const;                         // parameters: without gaps

  void zero_grad();        // forgets the gradients: the next contribution writes, later ones add
  void finish_grad();      // parameters that got no gradient in this pass read as zero
  void refresh_compute();  // after `value` was written by anything but the optimizer
  // The parameters of a module (by its name; "" is the whole model) take part in no tape until
  // thawed.
  void freeze(const std::string& module = "");
  void thaw(const std::string& module = "");
  bool is_frozen(size_t segment) const { return !segments_[segment].tensor->node; }

 private:
  std::vector<Segment> segments_;
  std::vector<std::shared_ptr<Node>> nodes_;
};

// Inside its scope no tape is recorded for this model: evaluation, targets.
class Frozen {
 public:
  explicit Frozen(Parameters& p);
  ~Frozen();
  Frozen(const Frozen&) = delete;
  Frozen& operator=(const Frozen&) = delete;

 private:
  Parameters& parameters_;
  std::vector<bool> was_frozen_;
};

}  // namespace autodidact
