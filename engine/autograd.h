// The tape. A node is one recorded call: its inputs, a closure that turns dy into the inputs'
// gradients, and its place in the order of creation, which is a topological order. backward() pops
// the newest first, never recurses, and gives activations back to the arena as it walks. Read
// record, then backward, in autograd.cpp.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>
#include "engine/tensor.h"

namespace autodidact {

class GradSlots;
using Backward = std::function<void(const Tensor& dy, GradSlots& d)>;

// A tensor that backward reads: memory without its node, and the version it had. Reading it after
// an in-place writer has changed the memory is an error that names the op. Or, of an output that
// its op can make again, a recipe in place of the memory: the first read in backward makes it, and
// it stays for the others until the last closure that wants it is dropped.
class Saved {
 public:
  Saved() = default;
  explicit Saved(const Tensor& t);
  operator const Tensor&() const { return get(); }
  const Tensor* operator->() const { return &get(); }
  const Tensor& operator*() const { return get(); }
  explicit operator bool() const { return tensor_ || recipe_; }

 private:
  struct Recipe;
  friend bool remakable(const Tensor& t);
  friend Saved save(const Tensor& t);
  friend Saved remade(const Tensor& y, std::function<Tensor()> make);
  const Tensor& get() const;
  Tensor tensor_;
  uint64_t version_ = 0;
  std::shared_ptr<Recipe> recipe_;
};
// By its recipe where it has one, else its memory; an empty tensor as an empty one.
Saved save(const Tensor& t);
// Its memory: for what a recipe reads, so that no recipe needs another.
Saved keep(const Tensor& t);
// y, the output of an op, by `make`, which gives the same bytes from what the op keeps anyway.
Saved remade(const Tensor& y, std::function<Tensor()> make);
bool remakable(const Tensor& t);  // it is saved by its recipe

struct Node {
  struct Input {  // of the call: not its memory, which is the closure's to keep
    std::shared_ptr<Node> node;
    Shape shape;
    Dtype dtype;
    Device device;
  };
  struct Kept {  // what the closure keeps, for the tape's pictures: --graph
    Shape shape;
    Dtype dtype;
    const void* what;  // its memory or its recipe: to tell whether two keep the same
    bool remade;       // the latter
  };
  const char* op = "";
  Shape shape;  // of the output, and of the gradient
  Dtype dtype = Dtype::f32;
  std::vector<Input> inputs;
  Backward backward;  // empty: a leaf, which keeps its gradient
  std::vector<Kept> saved;
  Saved output;  // a recipe, or empty: how the op's output is saved by others
  Tensor grad;   // a parameter's: its view of the flat gradient buffer
  bool grad_written = false;
  bool is_parameter = false;
  bool consumed = false;  // backward has run through it
  uint64_t order = 0;
  ~Node();  // iterative: a tape of a million nodes is dropped without recursion
};

// What a backward closure writes its results into: one slot per input of record().
class GradSlots {
 public:
  explicit GradSlots(Node& node) : node_(node), given_(node.inputs.size()) {}
  bool wanted(int i) const { return bool(node_.inputs[size_t(i)].node); }
  Tensor activation(
      int i);  // memory for input i's gradient, in the input's dtype; empty when not wanted
  Tensor weight(int i);  // the same in acc(dtype): a parameter's first contribution goes straight
                         // into its view of the flat gradient buffer
  void pass(int i, const Tensor& grad);  // hands over an existing tensor; it may be shared

 private:
  friend void backward(const Tensor&, const Tensor&);
  Node& node_;
  std::vector<Tensor> given_;
};

// Attaches a node to y if any input needs a gradient; otherwise nothing is kept: inference needs no
// special mode. Call it last: the closure has then copied y without its node, so saving an output
// forms no cycle. output: remade(y, ..), where the op can.
Tensor record(const char* op, Tensor y, std::vector<Tensor> inputs, Backward backward,
              const Saved& output = {});

// Gradients of loss (of any shape, with dloss of the same shape; without it loss must have one
// element, and dloss is 1) with respect to every leaf. Consumes the tape: a second run over any
// part of it is an error. Gradients of leaves add up over calls.
void backward(const Tensor& loss);
void backward(const Tensor& loss, const Tensor& dloss);

Tensor leaf(const Tensor& t);  // t, asking for a gradient: t.node->grad after backward
Tensor parameter(const Tensor& t,
                 const Tensor& grad);  // a leaf whose gradient is written into `grad`
Tensor detach(const Tensor& t);        // t without its node

std::vector<Node*> nodes_of(const Tensor& y);  // all that y comes from, oldest first
std::string tape_text(const Tensor& y);  // one line a node, oldest first: op, shapes, what is saved
std::string tape_dot(const Tensor& y);   // the same for Graphviz

}  // namespace autodidact
