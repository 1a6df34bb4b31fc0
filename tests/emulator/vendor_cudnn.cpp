// cuDNN's graph API for the emulated build: descriptors with typed attributes, finalized once and
// closed then; graphs of one convolution, with a bias or without. Its list of engines has traps:
// one whose results change from run to run, one that narrows f32, one for Winograd, one that needs
// more memory than there is, one whose plan cannot be made. Only what is left over is exact.
#include <cudnn.h>
#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <vector>
#include "cuda_emulator.h"
#include "vendor_convolution.h"
#include "vendor_library.h"

struct cudnnContext {
  cudaStream_t stream = nullptr;
};

namespace {

using emulator::Convolution;
using emulator::Numbers;
using emulator::Values;
using Name = cudnnBackendAttributeName_t;

#define REFUSES(function) \
  if (int status = emulator::called(#function)) return cudnnStatus_t(status)

struct Engine {
  std::vector<cudnnBackendNumericalNote_t> notes;
  int64_t workspace;
  bool fallback, has_plan, exact;
  bool narrows;         // f32 operands to bf16, which stands for TF32 here
  bool whole_channels;  // both counts multiples of 8
};
const std::vector<Engine>& engines() {
  static const std::vector<Engine> all = {
      {{CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC}, 0, false, true, false, false, false},
      {{CUDNN_NUMERICAL_NOTE_TENSOR_CORE, CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP},
       64 << 10,
       false,
       true,
       true,
       true,
       true},
      {{CUDNN_NUMERICAL_NOTE_WINOGRAD}, 0, false, true, false, false, false},
      {{}, int64_t(1) << 32, false, true, true, false, false},
      {{}, 0, false, false, true, false, false},
      {{}, 4 << 10, true, true, true, false, false}};
  return all;
}

size_t size_of(cudnnBackendAttributeType_t type) {
  switch (type) {
    case CUDNN_TYPE_BOOLEAN:
      return 1;
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR:
      return 8;
    default:  // float and the enumerations
      return 4;
  }
}

// The attributes that a descriptor has, with their types; all must be set but the optional.
struct Field {
  Name name;
  cudnnBackendAttributeType_t type;
  int64_t count;  // 0: any
  bool optional = false;
};
std::vector<Field> fields(cudnnBackendDescriptorType_t type) {
  constexpr auto kPart = CUDNN_TYPE_BACKEND_DESCRIPTOR;
  auto operation = [&](Name c, Name x, Name w, Name y, Name alpha, Name beta) {
    return std::vector<Field>{{c, kPart, 1},
                              {x, kPart, 1},
                              {w, kPart, 1},
                              {y, kPart, 1},
                              {alpha, CUDNN_TYPE_FLOAT, 1},
                              {beta, CUDNN_TYPE_FLOAT, 1}};
  };
  switch (type) {
    case CUDNN_BACKEND_TENSOR_DESCRIPTOR:
      return {{CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1},
              {CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4},
              {CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4},
              {CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1},
              {CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1},
              {CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, true}};
    case CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR:
      return {{CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1},
              {CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1},
              {CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1},
              {CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2},
              {CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2},
              {CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2},
              {CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2}};
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
      return operation(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA);
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
      return operation(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA);
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR:
      return operation(CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
                       CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA);
    case CUDNN_BACKEND_POINTWISE_DESCRIPTOR:
      return {{CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1},
              {CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1}};
    case CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR:
      return {{CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, kPart, 1},
              {CUDNN_ATTR_OPERATION_POINTWISE_XDESC, kPart, 1},
              {CUDNN_ATTR_OPERATION_POINTWISE_BDESC, kPart, 1},
              {CUDNN_ATTR_OPERATION_POINTWISE_YDESC, kPart, 1}};
    case CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR:
      return {{CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1},
              {CUDNN_ATTR_OPERATIONGRAPH_OPS, kPart, 0}};
    case CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR:
      return {{CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, kPart, 1},
              {CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1}};
    case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR:
      return {{CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1},
              {CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, kPart, 1}};
    case CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR:
      return {{CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 0},
              {CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 0},
              {CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1}};
    default:  // engines and their configurations are filled in by the library
      return {};
  }
}

struct Descriptor;
std::set<Descriptor*> living;  // descriptors are not copied into those that are made of them

struct Descriptor {
  cudnnBackendDescriptorType_t type;
  bool finalized = false;
  std::map<Name, std::vector<unsigned char>> values{};
  int engine = -1;              // of engines and their configurations
  Descriptor* graph = nullptr;  // of configurations

  bool has(Name name) const { return values.count(name) > 0; }
  template <class T>
  std::vector<T> all(Name name) const {
    const auto& bytes = values.at(name);
    std::vector<T> v(bytes.size() / sizeof(T));
    std::memcpy(v.data(), bytes.data(), bytes.size());
    return v;
  }
  template <class T>
  T one(Name name) const {
    return all<T>(name)[0];
  }
  Descriptor* part(Name name) const { return one<Descriptor*>(name); }
};

bool is_ready(Descriptor* d) { return living.count(d) && d->finalized; }

// The parts of a graph of a convolution.
struct Graph {
  Descriptor *operation, *addition = nullptr;
  std::array<Descriptor*, 4> named;  // convolution, x, w, y

  explicit Graph(Descriptor* graph) {
    auto operations = graph->all<Descriptor*>(CUDNN_ATTR_OPERATIONGRAPH_OPS);
    operation = operations[0];
    if (operations.size() > 1) addition = operations[1];
    const std::vector<Field> f = fields(operation->type);
    for (size_t i = 0; i < named.size(); ++i) named[i] = operation->part(f[i].name);
  }
  Descriptor* bias() const { return addition->part(CUDNN_ATTR_OPERATION_POINTWISE_BDESC); }
  Descriptor* result() const {
    return addition ? addition->part(CUDNN_ATTR_OPERATION_POINTWISE_YDESC) : named[3];
  }
  std::vector<Descriptor*> in_memory() const {
    std::vector<Descriptor*> t{named[1], named[2], result()};
    if (addition) t.push_back(bias());
    return t;
  }
};

cudnnDataType_t type_of(Descriptor* t) {
  return t->one<cudnnDataType_t>(CUDNN_ATTR_TENSOR_DATA_TYPE);
}
Numbers dimensions(Descriptor* t) { return t->all<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS); }

cudnnStatus_t judge_operation(const Descriptor& d) {
  const std::vector<Field> f = fields(d.type);
  Descriptor* c = d.part(f[0].name);
  const Numbers x = dimensions(d.part(f[1].name)), w = dimensions(d.part(f[2].name)),
                y = dimensions(d.part(f[3].name));
  auto numbers = [&](Name name) { return c->all<int64_t>(name); };
  const Numbers before = numbers(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS),
                after = numbers(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS),
                step = numbers(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES),
                dilation = numbers(CUDNN_ATTR_CONVOLUTION_DILATIONS);
  bool fits = x[0] == y[0] && x[1] == w[1] && w[0] == y[1];
  for (size_t i = 0; i < 2; ++i)
    fits = fits &&
           (x[2 + i] + before[i] + after[i] - dilation[i] * (w[2 + i] - 1) - 1) / step[i] + 1 ==
               y[2 + i];
  return fits ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH;
}

cudnnStatus_t judge_tensor(const Descriptor& d) {
  for (Name name : {CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_ATTR_TENSOR_STRIDES})
    for (int64_t n : d.all<int64_t>(name))
      if (n < 1) return CUDNN_STATUS_BAD_PARAM;
  const auto alignment = d.one<int64_t>(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT);
  return alignment > 0 && (alignment & (alignment - 1)) == 0 ? CUDNN_STATUS_SUCCESS
                                                             : CUDNN_STATUS_BAD_PARAM;
}

// What finalizing says beyond what is missing or of a wrong type.
cudnnStatus_t judge(Descriptor& d) {
  switch (d.type) {
    case CUDNN_BACKEND_TENSOR_DESCRIPTOR:
      return judge_tensor(d);
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR:
      return judge_operation(d);
    case CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR: {
      const Graph g(&d);
      if (g.addition && (g.addition->part(CUDNN_ATTR_OPERATION_POINTWISE_XDESC) != g.named[3] ||
                         !g.named[3]->has(CUDNN_ATTR_TENSOR_IS_VIRTUAL)))
        return CUDNN_STATUS_NOT_SUPPORTED;
      return CUDNN_STATUS_SUCCESS;
    }
    case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR: {
      Descriptor* c = d.part(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
      return engines()[size_t(c->engine)].has_plan ? CUDNN_STATUS_SUCCESS
                                                   : CUDNN_STATUS_NOT_SUPPORTED;
    }
    case CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR:
      return d.values[CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS].size() ==
                     d.values[CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS].size()
                 ? CUDNN_STATUS_SUCCESS
                 : CUDNN_STATUS_BAD_PARAM;
    default:
      return CUDNN_STATUS_SUCCESS;
  }
}

// The engines of a list that could compute a graph.
std::vector<int> offered(const Descriptor& heuristic) {
  Graph g(heuristic.part(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH));
  const bool fallback =
      heuristic.one<cudnnBackendHeurMode_t>(CUDNN_ATTR_ENGINEHEUR_MODE) == CUDNN_HEUR_MODE_FALLBACK;
  const Numbers w = dimensions(g.named[2]);
  std::vector<int> found;
  // As cuDNN 9.19 answers: all in memory is of one type, a sum that is not is float.
  for (Descriptor* t : g.in_memory())
    if (type_of(t) != type_of(g.result())) return found;
  if (g.addition && type_of(g.named[3]) != CUDNN_DATA_FLOAT) return found;
  for (size_t i = 0; i < engines().size(); ++i)
    if (engines()[i].fallback == fallback &&
        (!engines()[i].whole_channels || (w[0] % 8 == 0 && w[1] % 8 == 0)))
      found.push_back(int(i));
  return found;
}

}  // namespace

size_t cudnnGetVersion() { return 91900; }
const char* cudnnGetErrorString(cudnnStatus_t status) {
  switch (int(status) / 1000) {
    case 1:
      return "CUDNN_STATUS_NOT_INITIALIZED";
    case 2:
      return "CUDNN_STATUS_BAD_PARAM";
    case 3:
      return "CUDNN_STATUS_NOT_SUPPORTED";
    case 5:
      return "CUDNN_STATUS_EXECUTION_FAILED";
  }
  return "unknown status";
}
void cudnnGetLastErrorString(char* text, size_t room) {
  std::strncpy(text, "the stand-in knows no more", room);
}

cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  REFUSES(cudnnCreate);
  *handle = new cudnnContext;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  REFUSES(cudnnSetStream);
  handle->stream = stream;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                           cudnnBackendDescriptor_t* descriptor) {
  REFUSES(cudnnBackendCreateDescriptor);
  auto* d = new Descriptor{type};
  living.insert(d);
  *descriptor = d;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
  auto* d = static_cast<Descriptor*>(descriptor);
  living.erase(d);
  delete d;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor, Name name,
                                       cudnnBackendAttributeType_t type, int64_t count,
                                       const void* values) {
  REFUSES(cudnnBackendSetAttribute);
  auto* d = static_cast<Descriptor*>(descriptor);
  if (d->finalized) return CUDNN_STATUS_NOT_INITIALIZED;  // as documented for this mistake
  if (!values || count < 1) return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
  const std::vector<Field> all = fields(d->type);
  auto f = std::find_if(all.begin(), all.end(), [&](const Field& i) { return i.name == name; });
  if (f == all.end() || (f->count && f->count != count)) return CUDNN_STATUS_BAD_PARAM;
  if (f->type != type) return CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE;
  if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR)
    for (int64_t i = 0; i < count; ++i)
      if (!is_ready(static_cast<Descriptor* const*>(values)[i]))
        return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
  const auto* bytes = static_cast<const unsigned char*>(values);
  d->values[name].assign(bytes, bytes + size_t(count) * size_of(type));
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
  REFUSES(cudnnBackendFinalize);
  auto* d = static_cast<Descriptor*>(descriptor);
  for (const Field& f : fields(d->type))
    if (!f.optional && !d->has(f.name)) return CUDNN_STATUS_BAD_PARAM;
  if (cudnnStatus_t s = judge(*d)) return s;
  d->finalized = true;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t const descriptor, Name name,
                                       cudnnBackendAttributeType_t type, int64_t room,
                                       int64_t* count, void* values) {
  REFUSES(cudnnBackendGetAttribute);
  auto* d = static_cast<Descriptor*>(descriptor);
  if (!d->finalized) return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
  if (name == CUDNN_ATTR_ENGINEHEUR_RESULTS && type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
    const std::vector<int> found = offered(*d);
    *count = int64_t(found.size());
    for (int64_t i = 0; i < std::min(room, *count); ++i) {
      Descriptor* c = static_cast<Descriptor**>(values)[i];
      if (c->type != CUDNN_BACKEND_ENGINECFG_DESCRIPTOR) return CUDNN_STATUS_BAD_PARAM;
      c->engine = found[size_t(i)], c->finalized = true;
      c->graph = d->part(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
    }
    return CUDNN_STATUS_SUCCESS;
  }
  if (name == CUDNN_ATTR_ENGINECFG_ENGINE && type == CUDNN_TYPE_BACKEND_DESCRIPTOR && room == 1) {
    Descriptor* e = *static_cast<Descriptor**>(values);
    if (e->type != CUDNN_BACKEND_ENGINE_DESCRIPTOR) return CUDNN_STATUS_BAD_PARAM;
    e->engine = d->engine, e->finalized = true, *count = 1;
    return CUDNN_STATUS_SUCCESS;
  }
  if (name == CUDNN_ATTR_ENGINE_NUMERICAL_NOTE && type == CUDNN_TYPE_NUMERICAL_NOTE) {
    const auto& notes = engines()[size_t(d->engine)].notes;
    *count = int64_t(notes.size());
    std::copy_n(notes.begin(), std::min(room, *count),
                static_cast<cudnnBackendNumericalNote_t*>(values));
    return CUDNN_STATUS_SUCCESS;
  }
  if (name == CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE && type == CUDNN_TYPE_INT64 && room == 1) {
    Descriptor* c = d->part(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
    *static_cast<int64_t*>(values) = engines()[size_t(c->engine)].workspace, *count = 1;
    return CUDNN_STATUS_SUCCESS;
  }
  return CUDNN_STATUS_BAD_PARAM;
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan_descriptor,
                                  cudnnBackendDescriptor_t pack_descriptor) {
  REFUSES(cudnnBackendExecute);
  auto *plan = static_cast<Descriptor*>(plan_descriptor),
       *pack = static_cast<Descriptor*>(pack_descriptor);
  if (!is_ready(plan) || !is_ready(pack)) return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
  Descriptor* configuration = plan->part(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
  if (!is_ready(configuration) || !is_ready(configuration->graph))
    return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
  const Graph g(configuration->graph);
  const Numbers ids = pack->all<int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
  const auto data = pack->all<unsigned char*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
  std::map<Descriptor*, Values> tensors;
  for (Descriptor* t : g.in_memory()) {
    if (!is_ready(t)) return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
    auto id = std::find(ids.begin(), ids.end(), t->one<int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID));
    if (id == ids.end()) return CUDNN_STATUS_BAD_PARAM;
    unsigned char* p = data[size_t(id - ids.begin())];
    if (!p) return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
    if (reinterpret_cast<uintptr_t>(p) %
        uint64_t(t->one<int64_t>(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT)))
      return CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER;
    tensors[t] = {p, type_of(t), dimensions(t), t->all<int64_t>(CUDNN_ATTR_TENSOR_STRIDES)};
  }
  const Engine& engine = engines()[size_t(configuration->engine)];
  auto* workspace = pack->one<unsigned char*>(CUDNN_ATTR_VARIANT_PACK_WORKSPACE);
  if (engine.workspace && !workspace) return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
  auto numbers = [&](Name name) { return g.named[0]->all<int64_t>(name); };
  Convolution c{g.operation->type,
                tensors[g.named[1]],
                tensors[g.named[2]],
                tensors[g.result()],
                g.addition ? tensors[g.bias()] : Values{},
                numbers(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES),
                numbers(CUDNN_ATTR_CONVOLUTION_DILATIONS),
                numbers(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS),
                g.named[0]->one<cudnnConvolutionMode_t>(CUDNN_ATTR_CONVOLUTION_CONV_MODE) ==
                    CUDNN_CONVOLUTION,
                engine.narrows,
                engine.exact ? 1 : 1.25};
  int status = emulator::submit(handle->stream, [=, bytes = size_t(engine.workspace)] {
    if (bytes) std::memset(workspace, 0x7f, bytes);
    c();
  });
  return status ? CUDNN_STATUS_EXECUTION_FAILED : CUDNN_STATUS_SUCCESS;
}
