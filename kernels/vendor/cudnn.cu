// Convolutions on cuDNN's graph API: a graph of one operation (two with a bias), an engine that
// computes it, a plan, and per call a pack of addresses. Tensors are described with their
// dimensions in the order n, c, h, w and with the strides of what lies in memory, n, h, w, c;
// weights likewise, out, in, y, x over OHWI.
#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <vector>
#include "kernels/elementwise.h"
#include "kernels/vendor/call.h"
#include "kernels/vendor/library.h"

namespace autodidact::vendor {
namespace {

// The operations differ in nothing but names: each takes two of x, w, y and makes the third.
struct Operation {
  const char* name;
  cudnnBackendDescriptorType_t type;
  cudnnBackendAttributeName_t convolution, x, w, y, alpha, beta;
};
constexpr Operation kForward = {"conv forward",
                                CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                                CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                                CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                                CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                                CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                                CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                                CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
constexpr Operation kBackwardData = {"conv backward data",
                                     CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                                     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                                     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                                     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                                     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                                     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                                     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
constexpr Operation kBackwardWeights = {
    "conv backward weights",
    CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
    CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};

struct Operand {
  const void* data;
  bool narrow;  // bf16
  cudnnDataType_t type() const { return narrow ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT; }
};
struct Problem {
  const Operation& operation;
  Operand x, w, y;  // gradients stand in the place of what they are the gradients of
  Operand bias;     // added to y, or null; f32, or as y
  ConvSizes sizes;
  bool narrow() const { return x.narrow || y.narrow; }  // what is multiplied is bf16
};

// What our own kernels do in its place: no images.
bool takes(const Problem& p) {
  return mode() != Mode::off && p.sizes.n > 0 && cudnn().reason().empty();
}

std::string words(const Problem& p) {
  const ConvSizes& s = p.sizes;
  auto by = [](int a, int b) { return std::to_string(a) + "x" + std::to_string(b); };
  return std::string(p.operation.name) + (p.narrow() ? "<bf16> " : "<f32> ") + std::to_string(s.n) +
         "x" + by(s.h, s.w) + "x" + std::to_string(s.c_in) + ", " + std::to_string(s.c_out) +
         " kernels " + by(s.kh, s.kw) + ", stride " + std::to_string(s.stride) + ", padding " +
         std::to_string(s.padding) + ", dilation " + std::to_string(s.dilation) +
         (p.bias.data ? ", bias" : "");
}

bool is_unsupported(cudnnStatus_t s) { return CUDNN_STATUS_CATEGORY(int(s)) == 3000; }

class Descriptor {
 public:
  Descriptor(const Problem& p, cudnnBackendDescriptorType_t type) : problem_(p) {
    check(cudnn().create(type, &descriptor_), "cudnnBackendCreateDescriptor");
  }
  ~Descriptor() { cudnn().destroy(descriptor_); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  cudnnBackendDescriptor_t get() const { return descriptor_; }

  template <class T>
  Descriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                  std::initializer_list<T> values) {
    check(cudnn().set(descriptor_, name, type, int64_t(values.size()), values.begin()),
          "cudnnBackendSetAttribute");
    return *this;
  }
  Descriptor& numbers(cudnnBackendAttributeName_t name, std::initializer_list<int64_t> values) {
    return set(name, CUDNN_TYPE_INT64, values);
  }
  Descriptor& part(cudnnBackendAttributeName_t name, const Descriptor& d) {
    return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, {d.get()});
  }
  // How many values were written; without room for any, how many there are.
  int64_t get(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t room,
              void* values) const {
    int64_t count = 0;
    check(cudnn().get(descriptor_, name, type, room, &count, values), "cudnnBackendGetAttribute");
    return room > 0 ? std::min(count, room) : count;
  }
  void finalize() { check(cudnn().finalize(descriptor_), "cudnnBackendFinalize"); }
  // False: cuDNN cannot do this.
  bool is_supported() {
    cudnnStatus_t s = cudnn().finalize(descriptor_);
    if (!is_unsupported(s)) check(s, "cudnnBackendFinalize");
    return s == CUDNN_STATUS_SUCCESS;
  }

 private:
  void check(cudnnStatus_t s, const char* call) const {
    cudnn().check(s, call, [&] { return words(problem_); });
  }
  const Problem& problem_;
  cudnnBackendDescriptor_t descriptor_ = nullptr;
};

cudnnHandle_t handle() {
  static const cudnnHandle_t h = [] {
    cudnnHandle_t made = nullptr;
    cudnn().check(cudnn().new_handle(&made), "cudnnCreate", [] { return std::string("a handle"); });
    return made;
  }();
  return h;
}

enum Uid : int64_t { kX = 1, kW, kY, kBias, kSum };  // kSum: y before the bias, never in memory

// What was made for a problem. cuDNN does not say whether it copies the descriptors that others are
// made of: all are kept.
struct Plan {
  explicit Plan(const Problem& p) : problem(p) {}
  Problem problem;  // of the first call: its shape is that of all
  std::vector<std::unique_ptr<Descriptor>> parts;
  std::unique_ptr<Descriptor> plan;  // null: there is none; made of the parts, so gone first
  int64_t workspace = 0;

  Descriptor& add(cudnnBackendDescriptorType_t type) {
    return *parts.emplace_back(std::make_unique<Descriptor>(problem, type));
  }

  Descriptor& tensor(Uid uid, cudnnDataType_t type, const void* data, int64_t n, int64_t c,
                     int64_t h, int64_t w) {
    Descriptor& t = add(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    t.set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, {type});
    t.numbers(CUDNN_ATTR_TENSOR_DIMENSIONS, {n, c, h, w});
    t.numbers(CUDNN_ATTR_TENSOR_STRIDES, {h * w * c, 1, w * c, c});
    t.numbers(CUDNN_ATTR_TENSOR_UNIQUE_ID, {uid});
    t.numbers(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, {int64_t(alignment_of(data))});
    if (uid == kSum) t.set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, {true});
    t.finalize();
    return t;
  }

  // Null: cuDNN does not take such a graph.
  Descriptor* graph() {
    const ConvSizes& s = problem.sizes;
    const Operation& names = problem.operation;
    Descriptor& convolution = add(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    convolution.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, {CUDNN_DATA_FLOAT});
    convolution.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE,
                    {CUDNN_CROSS_CORRELATION});
    convolution.numbers(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, {2});
    convolution.numbers(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, {s.stride, s.stride});
    convolution.numbers(CUDNN_ATTR_CONVOLUTION_DILATIONS, {s.dilation, s.dilation});
    convolution.numbers(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, {s.padding, s.padding});
    convolution.numbers(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, {s.padding, s.padding});
    convolution.finalize();

    const Operand &x = problem.x, &w = problem.w, &y = problem.y;
    Descriptor& of_y = tensor(kY, y.type(), y.data, s.n, s.c_out, s.out_h(), s.out_w());
    Descriptor* sum = &of_y;
    if (problem.bias.data)
      sum = &tensor(kSum, CUDNN_DATA_FLOAT, nullptr, s.n, s.c_out, s.out_h(), s.out_w());
    Descriptor& operation = add(names.type);
    operation.part(names.convolution, convolution)
        .part(names.x, tensor(kX, x.type(), x.data, s.n, s.c_in, s.h, s.w))
        .part(names.w, tensor(kW, w.type(), w.data, s.c_out, s.c_in, s.kh, s.kw))
        .part(names.y, *sum)
        .set(names.alpha, CUDNN_TYPE_FLOAT, {1.0f})
        .set(names.beta, CUDNN_TYPE_FLOAT, {0.0f});
    if (!operation.is_supported()) return nullptr;

    Descriptor* addition = nullptr;
    if (problem.bias.data) {
      Descriptor& add_up = add(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
      add_up.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, {CUDNN_POINTWISE_ADD});
      add_up.set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, {CUDNN_DATA_FLOAT});
      add_up.finalize();
      addition = &add(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
      addition->part(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, add_up)
          .part(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, *sum)
          .part(CUDNN_ATTR_OPERATION_POINTWISE_BDESC,
                tensor(kBias, problem.bias.type(), problem.bias.data, 1, s.c_out, 1, 1))
          .part(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, of_y);
      if (!addition->is_supported()) return nullptr;
    }
    Descriptor& g = add(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    g.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, {handle()});
    if (addition)
      g.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
            {operation.get(), addition->get()});
    else g.part(CUDNN_ATTR_OPERATIONGRAPH_OPS, operation);
    return g.is_supported() ? &g : nullptr;
  }
};

// Sums of f32 products in f32, as the definition has them; and the same bytes every time, if that
// is asked for.
bool is_allowed(const Problem& p, cudnnBackendNumericalNote_t note) {
  switch (note) {
    case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
      return mode() == Mode::any;
    case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:  // of f32: TF32
      return p.narrow();
    case CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP:
      return true;
    default:  // inputs or sums narrowed, FFT, Winograd, what later versions add
      return false;
  }
}

bool is_allowed(const Problem& p, const Descriptor& configuration) {
  Descriptor engine(p, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t d = engine.get();
  configuration.get(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &d);
  std::array<cudnnBackendNumericalNote_t, 64> notes;  // there are 9 kinds in cuDNN 9.19
  const int64_t count = engine.get(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                   int64_t(notes.size()), notes.data());
  return std::all_of(notes.begin(), notes.begin() + count,
                     [&](auto note) { return is_allowed(p, note); });
}

// The first engine of cuDNN's own list, fastest first, that is allowed, works, and finds enough
// workspace.
void choose_engine(Plan& p, Descriptor& graph, size_t workspace) {
  for (cudnnBackendHeurMode_t list : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
    Descriptor& heuristic = p.add(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    heuristic.part(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
    heuristic.set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, {list});
    if (!heuristic.is_supported()) continue;
    int64_t count =
        heuristic.get(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, nullptr);
    std::vector<Descriptor*> configurations;
    std::vector<cudnnBackendDescriptor_t> found;
    for (int64_t i = 0; i < count; ++i) {
      configurations.push_back(&p.add(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR));
      found.push_back(configurations.back()->get());
    }
    count = heuristic.get(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, count,
                          found.data());
    for (int64_t i = 0; i < count; ++i) {
      const Descriptor& configuration = *configurations[size_t(i)];
      if (!is_allowed(p.problem, configuration)) continue;
      auto plan = std::make_unique<Descriptor>(p.problem, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
      plan->set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, {handle()});
      plan->part(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration);
      if (!plan->is_supported()) continue;
      plan->get(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &p.workspace);
      if (size_t(p.workspace) > workspace) continue;
      p.plan = std::move(plan);
      return;
    }
  }
}

using Key = std::array<int64_t, 20>;

// All that a plan depends on.
Key key_of(const Problem& p, size_t workspace) {
  const ConvSizes& s = p.sizes;
  return {int64_t(mode()),
          int64_t(p.operation.type),
          p.x.narrow,
          p.w.narrow,
          p.y.narrow,
          alignment_of(p.x.data),
          alignment_of(p.w.data),
          alignment_of(p.y.data),
          p.bias.data ? alignment_of(p.bias.data) : 0,
          s.n,
          s.h,
          s.w,
          s.c_in,
          s.c_out,
          s.kh,
          s.kw,
          s.stride,
          s.padding,
          s.dilation,
          int64_t(workspace)};
}

Plan& plan_of(const Problem& p, size_t workspace) {
  static auto& plans = *new std::map<Key, std::unique_ptr<Plan>>;
  std::unique_ptr<Plan>& plan = plans[key_of(p, workspace)];
  if (plan) return *plan;
  auto made = std::make_unique<Plan>(p);
  if (Descriptor* graph = made->graph()) choose_engine(*made, *graph, workspace);
  return *(plan = std::move(made));
}

bool conv(Cuda queue, Problem p) {
  if (!takes(p)) return false;
  // cuDNN has no engine that adds floats to a bf16 y.
  const auto* bias = static_cast<const float*>(p.bias.data);
  const bool rounds = bias && p.narrow();
  if (rounds && scratch_left(queue) < size_t(p.sizes.c_out) * sizeof(bf16)) return false;
  DeviceScratch<bf16> rounded(queue, rounds ? p.sizes.c_out : 0);
  if (rounds) p.bias = {rounded.data(), true};
  const size_t workspace = scratch_left(queue);
  Plan& plan = plan_of(p, workspace);
  if (!plan.plan) return false;

  if (rounds) run(queue, Cast<bf16, float>{rounded.data(), bias, p.sizes.c_out});
  DeviceScratch<unsigned char> memory(queue, plan.workspace);
  Descriptor pack(p, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  if (p.bias.data) {
    pack.numbers(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, {kX, kW, kY, kBias});
    pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR,
             {p.x.data, p.w.data, p.y.data, p.bias.data});
  } else {
    pack.numbers(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, {kX, kW, kY});
    pack.set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR,
             {p.x.data, p.w.data, p.y.data});
  }
  pack.set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, {memory.data()});
  pack.finalize();
  auto check = [&](cudnnStatus_t s, const char* call) {
    cudnn().check(s, call, [&] { return words(p); });
  };
  check(cudnn().set_stream(handle(), queue.stream), "cudnnSetStream");
  check(cudnn().execute(handle(), plan.plan->get(), pack.get()), "cudnnBackendExecute");

  std::array<int64_t, 24> arguments{number(p.x.data), number(p.w.data), number(p.y.data),
                                    number(p.bias.data)};
  const Key key = key_of(p, workspace);
  std::copy(key.begin(), key.end(), arguments.begin() + 4);
  note_call("cudnnBackendExecute", arguments);
  return true;
}

}  // namespace

template <class T>
bool conv(Cuda queue, const ConvForward<T>& p) {
  constexpr bool kNarrow = std::is_same_v<T, bf16>;
  return conv(
      queue,
      Problem{kForward, {p.x, kNarrow}, {p.w, kNarrow}, {p.y, kNarrow}, {p.bias, false}, p.sizes});
}
template <class T>
bool conv(Cuda queue, const ConvBackwardData<T>& p) {
  constexpr bool kNarrow = std::is_same_v<T, bf16>;
  return conv(
      queue, Problem{kBackwardData, {p.dx, kNarrow}, {p.w, kNarrow}, {p.dy, kNarrow}, {}, p.sizes});
}
// Of bf16 there is no plan in cuDNN 9.19: its dw would be bf16 too.
template <class T>
bool conv(Cuda queue, const ConvBackwardWeights<T>& p) {
  constexpr bool kNarrow = std::is_same_v<T, bf16>;
  return conv(
      queue,
      Problem{kBackwardWeights, {p.x, kNarrow}, {p.dw, false}, {p.dy, kNarrow}, {}, p.sizes});
}

template bool conv(Cuda, const ConvForward<float>&);
template bool conv(Cuda, const ConvForward<bf16>&);
template bool conv(Cuda, const ConvBackwardData<float>&);
template bool conv(Cuda, const ConvBackwardData<bf16>&);
template bool conv(Cuda, const ConvBackwardWeights<float>&);
template bool conv(Cuda, const ConvBackwardWeights<bf16>&);

}  // namespace autodidact::vendor
