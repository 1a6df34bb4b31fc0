// The tape: record() adds a node, backward() walks them newest first, add_gradient() is the one
// place where gradients are added. What ops save and ask for in their closures comes first, reading
// a tape (text, Graphviz) last.
#include "engine/autograd.h"
#include <algorithm>
#include <atomic>
#include <map>
#include <unordered_set>
#include <utility>

namespace autodidact {
namespace {

std::atomic<uint64_t> last_order{0};
// By save(), taken by the record() whose closure it belongs to.
thread_local std::vector<Node::Kept> pending_saved;
thread_local const char* running_op = nullptr;  // the op whose backward runs

struct Running {  // names the op for the length of its backward, however that ends
  const char* outer = running_op;
  explicit Running(const char* op) { running_op = op; }
  ~Running() { running_op = outer; }
};

template <class T>  // a tensor, an input of a node or what it keeps
std::string describe(const T& t) {
  std::ostringstream text;
  text << t.dtype << ' ' << t.shape;
  return text.str();
}

}  // namespace

struct Saved::Recipe {  // of one output, shared by all that save it
  std::function<Tensor()> make;
  std::weak_ptr<Buffer> memory;  // of the forward pass, as long as anyone else holds it
  uint64_t version;
  Tensor tensor;  // without memory until it is read
};

Saved::Saved(const Tensor& t) : tensor_(detach(t)), version_(t.buffer ? t.buffer->version : 0) {}

const Tensor& Saved::get() const {
  if (recipe_ && !recipe_->tensor.buffer) {
    Recipe& r = *recipe_;
    r.tensor.buffer = r.memory.lock();
    if (!r.tensor.buffer) r.tensor = r.make(), r.version = r.tensor.buffer->version;
  }
  const Tensor& t = recipe_ ? recipe_->tensor : tensor_;
  check(!t.buffer || t.buffer->version == (recipe_ ? recipe_->version : version_),
        running_op ? running_op : "backward", ": a tensor saved for backward, ", describe(t),
        ", was changed in place since");
  return t;
}

Saved keep(const Tensor& t) {
  if (t) pending_saved.push_back({t.shape, t.dtype, t.buffer.get(), false});
  return Saved(t);
}

bool remakable(const Tensor& t) {
  const auto recipe = t.node ? t.node->output.recipe_ : nullptr;
  return recipe && t.buffer->version == recipe->version;
}

Saved save(const Tensor& t) {
  if (!remakable(t)) return keep(t);
  pending_saved.push_back({t.shape, t.dtype, t.node->output.recipe_.get(), true});
  return t.node->output;
}

Saved remade(const Tensor& y, std::function<Tensor()> make) {
  Saved s;
  s.recipe_ = std::make_shared<Saved::Recipe>(
      Saved::Recipe{std::move(make), y.buffer, y.buffer->version, detach(y)});
  s.recipe_->tensor.buffer = nullptr;
  return s;
}

// Nodes whose last owner is a dying node are moved to a list instead of being destroyed inside its
// destructor.
Node::~Node() {
  std::vector<std::shared_ptr<Node>> dying;
  auto take = [&](Node& n) {
    for (Node::Input& t : n.inputs)
      if (t.node) dying.push_back(std::move(t.node));
    n.inputs.clear();
  };
  take(*this);
  while (!dying.empty()) {
    std::shared_ptr<Node> n = std::move(dying.back());
    dying.pop_back();
    if (n.use_count() == 1) take(*n);
  }
}

Tensor record(const char* op, Tensor y, std::vector<Tensor> inputs, Backward backward,
              const Saved& output) {
  std::vector<Node::Kept> saved = std::exchange(pending_saved, {});
  if (std::any_of(inputs.begin(), inputs.end(), [](const Tensor& x) { return bool(x.node); })) {
    auto node = std::make_shared<Node>();
    node->op = op, node->shape = y.shape, node->dtype = y.dtype;
    for (Tensor& x : inputs)
      node->inputs.push_back({std::move(x.node), x.shape, x.dtype, x.device()});
    node->backward = std::move(backward), node->saved = std::move(saved), node->output = output;
    node->order = ++last_order;
    y.node = std::move(node);
  }
  return y;
}

Tensor GradSlots::activation(int i) {
  const Node::Input& x = node_.inputs[size_t(i)];
  return x.node ? given_[size_t(i)] = empty(x.shape, x.dtype, x.device) : Tensor();
}

Tensor GradSlots::weight(int i) {
  const Node::Input& x = node_.inputs[size_t(i)];
  if (!x.node) return {};
  bool straight = x.node->is_parameter && !x.node->grad_written;
  // A parameter used twice by one op gets two contributions: only one may be written straight.
  for (size_t k = 0; k < given_.size(); ++k)
    straight = straight && !(int(k) != i && given_[k] && node_.inputs[k].node == x.node);
  return given_[size_t(i)] = straight ? x.node->grad : empty(x.shape, acc(x.dtype), x.device);
}

void GradSlots::pass(int i, const Tensor& grad) {
  if (!wanted(i)) return;
  check(grad.shape == node_.inputs[size_t(i)].shape, node_.op, ": the gradient of input ", i,
        " must be ", node_.inputs[size_t(i)].shape, ", got ", grad.shape);
  given_[size_t(i)] = detach(grad);
}

// The one place where gradients are added. In place only where nobody else can see the memory.
static void add_gradient(Node& node, Tensor g) {
  check(!node.consumed, node.op,
        ": this part of the tape was consumed by an earlier backward; add the losses and run it "
        "once");
  if (node.is_parameter) {
    if (node.grad_written) accumulate(node.grad, cast(g, node.grad.dtype));
    else if (g.buffer != node.grad.buffer || g.offset != node.grad.offset) copy(node.grad, g);
  } else if (!node.grad_written) {
    node.grad = std::move(g);
  } else {
    if (node.grad.buffer.use_count() > 1) node.grad = clone(node.grad);
    accumulate(node.grad, cast(g, node.grad.dtype));
  }
  node.grad_written = true;
}

void backward(const Tensor& loss) {
  check(loss.size() == 1, "backward: the loss must have one element, got ", loss.shape);
  backward(loss, full(loss.shape, 1, loss.dtype, loss.device()));
}

void backward(const Tensor& loss, const Tensor& dloss) {
  check(bool(loss.node), "backward: nothing that the loss depends on needs a gradient");
  check(dloss.shape == loss.shape, "backward: dloss must be ", loss.shape, ", got ", dloss.shape);
  std::map<uint64_t, std::shared_ptr<Node>> ready;  // by order of creation; the newest is next
  add_gradient(*loss.node, detach(dloss));
  if (loss.node->backward) ready[loss.node->order] = loss.node;
  while (!ready.empty()) {
    std::shared_ptr<Node> node = ready.extract(std::prev(ready.end())).mapped();
    GradSlots slots(*node);
    node->output = {};  // all others that saved it are done
    try {
      Running running(node->op);
      node->backward(cast(node->grad, node->dtype), slots);
    } catch (const Error& e) {
      std::string text = e.what(), op = node->op;
      if (text.rfind(op, 0) == 0) throw;
      throw Error(e.kind, op + " (backward): " + text);
    }
    node->consumed = true;
    node->backward = nullptr;  // the closure's activations go back to the arena now
    node->grad = {};
    for (size_t i = 0; i < node->inputs.size(); ++i) {
      auto& input = node->inputs[i].node;
      if (!input || !slots.given_[i]) continue;
      add_gradient(*input, std::move(slots.given_[i]));
      if (input->backward) ready.emplace(input->order, input);
    }
    node->inputs.clear();
  }
}

Tensor leaf(const Tensor& t) {
  Tensor x = t;
  x.node = std::make_shared<Node>();
  x.node->op = "leaf", x.node->shape = t.shape, x.node->dtype = t.dtype,
  x.node->order = ++last_order;
  return x;
}

Tensor parameter(const Tensor& t, const Tensor& grad) {
  check(grad.shape == t.shape && grad.dtype == acc(t.dtype), "parameter: the gradient must be ",
        acc(t.dtype), " ", t.shape, ", got ", describe(grad));
  Tensor x = leaf(t);
  x.node->op = "parameter", x.node->is_parameter = true, x.node->grad = detach(grad);
  return x;
}

Tensor detach(const Tensor& t) {
  Tensor x = t;
  x.node = nullptr;
  return x;
}

// ---- reading the tape

std::vector<Node*> nodes_of(const Tensor& y) {
  std::vector<Node*> found, work;
  std::unordered_set<Node*> seen;
  auto visit = [&](Node* n) {
    if (n && seen.insert(n).second) work.push_back(n);
  };
  visit(y.node.get());
  while (!work.empty()) {
    Node* n = work.back();
    work.pop_back();
    found.push_back(n);
    for (Node::Input& t : n->inputs) visit(t.node.get());
  }
  std::sort(found.begin(), found.end(), [](Node* a, Node* b) { return a->order < b->order; });
  return found;
}

static std::string saved_text(const Node& n) {
  std::string text;
  for (auto& s : n.saved)
    text += (text.empty() ? "" : ", ") + describe(s) + (s.remade ? " made again" : "");
  return text;
}

std::string tape_text(const Tensor& y) {
  std::ostringstream text;
  for (Node* n : nodes_of(y)) {
    text << '#' << n->order << ' ' << n->op << " -> " << n->dtype << ' ' << n->shape;
    if (n->backward) {
      text << "  from";
      for (Node::Input& t : n->inputs)
        if (t.node) text << " #" << t.node->order;
        else text << " (" << describe(t) << ')';
      if (!n->saved.empty()) text << "  saves " << saved_text(*n);
    }
    text << '\n';
  }
  return text.str();
}

std::string tape_dot(const Tensor& y) {
  check(bool(y.node),
        "tape_dot: the tensor must be on a tape (a loss by cached gradients is on none)");
  std::ostringstream text;
  text << "digraph tape {\n  rankdir=BT; node [shape=box, fontname=\"sans-serif\", fontsize=10];\n";
  for (Node* n : nodes_of(y)) {
    text << "  n" << n->order << " [label=\"" << n->op << "\\n" << n->dtype << ' ' << n->shape;
    if (!n->saved.empty()) text << "\\nsaves " << saved_text(*n);
    text << "\"" << (n->backward ? "" : ", style=filled, fillcolor=\"#dbe9f6\"") << "];\n";
    for (Node::Input& t : n->inputs)
      if (t.node) text << "  n" << t.node->order << " -> n" << n->order << ";\n";
  }
  text << "}\n";
  return text.str();
}

}  // namespace autodidact
