// The CUDA runtime and driver of the emulated GPU, as far as the engine calls them. A stream is a
// list of work that runs when somebody waits for it, in order and never earlier: host code that
// forgets to wait sees memory as it was. A capture is the same list, kept. Every function can be
// made to fail (emulator::inject).
#include <cuda.h>
#include <cuda_runtime_api.h>
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <sstream>
#include <utility>
#include <vector>
#include "cuda_emulator.h"
#include "device_memory.h"
#include "emulator.h"
#include "vendor_library.h"

using Work = std::function<void()>;

struct CUgraph_st {
  std::vector<Work> work;
};
struct CUgraphExec_st {
  std::vector<Work> work;
};
struct CUstream_st {
  std::deque<Work> waiting;
  uint64_t given = 0;  // pieces of work so far, those that have run included
  CUgraph_st* capture = nullptr;
  bool capture_broken = false;
};
struct CUevent_st {
  CUstream_st* stream = nullptr;
  uint64_t place = 0;
};

namespace emulator {
namespace {

struct Injection {
  std::string function;
  int status, after;
};
struct Allocation {
  size_t bytes;
  bool released;
  int mappings;
};
struct Mapping {
  size_t bytes;
  CUmemGenericAllocationHandle handle;
  bool accessible;
};

struct Runtime {
  std::vector<Injection> injections;
  int sticky = 0, last = 0;
  std::vector<CUstream_st*> streams;
  std::map<uintptr_t, size_t> pinned;
  std::map<CUmemGenericAllocationHandle, Allocation> allocations;
  std::map<CUdeviceptr, Mapping> mappings;
  CUmemGenericAllocationHandle next_handle = 1;

  Runtime() {  // AUTODIDACT_EMULATOR_FAIL="cudaGetDeviceCount:35:0 launch:700:40"
    const char* text = std::getenv("AUTODIDACT_EMULATOR_FAIL");
    std::istringstream list(text ? text : "");
    for (std::string one; list >> one;) {
      std::istringstream parts(one);
      Injection i{"", 0, 0};
      std::string status, after;
      std::getline(parts, i.function, ':'), std::getline(parts, status, ':'), parts >> i.after;
      i.status = std::atoi(status.c_str());
      injections.push_back(i);
    }
  }

  // Nothing runs any more, what waits included.
  void lose_context(int status) {
    sticky = status;
    for (CUstream_st* s : streams) s->waiting.clear();
  }
  // The status that a call answers with instead of working; 0: it works.
  int refuses(const char* function) {
    if (sticky) return sticky;
    for (size_t i = 0; i < injections.size(); ++i)
      if (injections[i].function == function && injections[i].after-- == 0) {
        int status = injections[i].status;
        injections.erase(injections.begin() + int64_t(i));
        if (status >= 700 && status < 720) lose_context(status);
        return status;
      }
    return 0;
  }

  void give(CUstream_st* stream, Work work) {
    if (stream->capture) return void(stream->capture->work.push_back(std::move(work)));
    stream->waiting.push_back(std::move(work)), ++stream->given;
  }
  // Runs a stream's work up to a place in it.
  void run(CUstream_st* stream, uint64_t place) {
    auto is_due = [&] {
      return !stream->waiting.empty() && stream->given - stream->waiting.size() < place;
    };
    if (!is_due()) return;  // opening the memory costs more than asking
    Open open;
    while (is_due()) {
      Work work = std::move(stream->waiting.front());
      stream->waiting.pop_front();
      work();  // may throw a kernel's finding; what comes after it can still be run
    }
  }
  bool busy() const {
    return std::any_of(streams.begin(), streams.end(),
                       [](CUstream_st* s) { return !s->waiting.empty(); });
  }
  bool is_pinned(const void* p) const {
    auto after = pinned.upper_bound(reinterpret_cast<uintptr_t>(p));
    if (after == pinned.begin()) return false;
    auto [begin, bytes] = *std::prev(after);
    return reinterpret_cast<uintptr_t>(p) < begin + bytes;
  }
  void drop_if_unused(CUmemGenericAllocationHandle handle) {
    auto found = allocations.find(handle);
    if (!found->second.released || found->second.mappings) return;
    device_memory().destroy(found->second.bytes);
    allocations.erase(found);
  }
};

Runtime& runtime() {
  static Runtime& r = *new Runtime;
  return r;
}

cudaError_t answer(int status) {
  if (status) runtime().last = status;
  return cudaError_t(status);
}

}  // namespace

void inject(const std::string& function, int status, int after) {
  runtime().injections.push_back({function, status, after});
}
void reset_device() {
  Runtime& r = runtime();
  r.injections.clear(), r.sticky = r.last = 0;
  for (CUstream_st* s : r.streams) {
    s->waiting.clear();
    delete s->capture;
    s->capture = nullptr, s->capture_broken = false;
  }
}
void set_device_memory(size_t bytes) { device_memory().set_capacity(bytes); }
size_t device_memory_used() { return device_memory().used(); }

// Statuses of a library's own kind; a sticky error of the device it meets when it submits work.
int injected(const char* function) { return runtime().sticky ? 0 : runtime().refuses(function); }

int submit(CUstream_st* stream, Work work, const char* name) {
  if (int status = runtime().refuses(name)) return answer(status);
  if (stream) {
    runtime().give(stream, std::move(work));
  } else {  // tests of kernels alone
    Open open;
    work();
  }
  return cudaSuccess;
}

}  // namespace emulator

using namespace emulator;

#define REFUSES(function) \
  if (int status = runtime().refuses(#function)) return answer(status)
#define DRIVER_REFUSES(function) \
  if (int status = runtime().refuses(#function)) return CUresult(status)

// ---- the device

const char* cudaGetErrorString(cudaError_t status) {
  switch (status) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInsufficientDriver:
      return "CUDA driver version is insufficient for CUDA runtime version";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    case cudaErrorNoKernelImageForDevice:
      return "no kernel image is available for execution on the device";
    case cudaErrorIllegalAddress:
      return "an illegal memory access was encountered";
    case cudaErrorLaunchFailure:
      return "unspecified launch failure";
    case cudaErrorStreamCaptureUnsupported:
      return "operation not permitted when stream is capturing";
    case cudaErrorStreamCaptureInvalidated:
      return "operation failed due to a previous error during capture";
  }
  return "unrecognized error code";
}
cudaError_t cudaGetLastError() {
  int status = std::exchange(runtime().last, runtime().sticky);
  return cudaError_t(status);
}
cudaError_t cudaDriverGetVersion(int* version) {
  *version = 13000;
  if (int injected = runtime().refuses("cudaDriverGetVersion"))
    *version = injected > 0 ? injected : 0;
  return cudaSuccess;
}
cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 13000;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int* count) {
  *count = 0;
  REFUSES(cudaGetDeviceCount);
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int) {
  REFUSES(cudaGetDeviceProperties);
  *p = {"emulated GPU", device_memory().capacity(), 8, 0};
  if (int injected = runtime().refuses("computeCapability"))
    p->major = injected / 10, p->minor = injected % 10;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  REFUSES(cudaSetDevice);
  return answer(device == 0 ? cudaSuccess : cudaErrorInvalidValue);
}
cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  REFUSES(cudaMemGetInfo);
  *total = device_memory().capacity(), *free = *total - device_memory().used();
  return cudaSuccess;
}
cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** function, unsigned,
                                             unsigned long long,
                                             cudaDriverEntryPointQueryResult* result) {
  REFUSES(cudaGetDriverEntryPointByVersion);
  static const std::map<std::string, void*> all = {
      {"cuMemAddressReserve", reinterpret_cast<void*>(cuMemAddressReserve)},
      {"cuMemAddressFree", reinterpret_cast<void*>(cuMemAddressFree)},
      {"cuMemCreate", reinterpret_cast<void*>(cuMemCreate)},
      {"cuMemRelease", reinterpret_cast<void*>(cuMemRelease)},
      {"cuMemMap", reinterpret_cast<void*>(cuMemMap)},
      {"cuMemUnmap", reinterpret_cast<void*>(cuMemUnmap)},
      {"cuMemSetAccess", reinterpret_cast<void*>(cuMemSetAccess)}};
  auto found = all.find(symbol);
  *function = found == all.end() ? nullptr : found->second;
  *result = cudaDriverEntryPointQueryResult(found == all.end());
  return cudaSuccess;
}

// ---- streams and events

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  REFUSES(cudaStreamCreateWithFlags);
  runtime().streams.push_back(*stream = new CUstream_st);
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  REFUSES(cudaStreamSynchronize);
  if (stream->capture) {
    stream->capture_broken = true;
    return answer(cudaErrorStreamCaptureUnsupported);
  }
  runtime().run(stream, stream->given);
  return cudaSuccess;
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  REFUSES(cudaEventCreateWithFlags);
  *event = new CUevent_st;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  REFUSES(cudaEventRecord);
  event->stream = stream, event->place = stream->given;
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  REFUSES(cudaEventSynchronize);
  if (event->stream) runtime().run(event->stream, event->place);
  return cudaSuccess;
}

// ---- copies

cudaError_t cudaMallocHost(void** p, size_t bytes) {
  REFUSES(cudaMallocHost);
  *p = std::malloc(bytes);
  runtime().pinned[reinterpret_cast<uintptr_t>(*p)] = bytes;
  return cudaSuccess;
}
// Host memory that is not pinned is read before the call returns, and written before it returns:
// the programming guide's "API synchronization behavior".
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  REFUSES(cudaMemcpyAsync);
  bool at_once = (kind == cudaMemcpyHostToDevice && !runtime().is_pinned(from)) ||
                 (kind == cudaMemcpyDeviceToHost && !runtime().is_pinned(to));
  if (at_once && stream->capture) {
    stream->capture_broken = true;
    return answer(cudaErrorStreamCaptureUnsupported);
  }
  runtime().give(stream, [=] { std::memcpy(to, from, bytes); });
  if (at_once) runtime().run(stream, stream->given);
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* p, int byte, size_t bytes, cudaStream_t stream) {
  REFUSES(cudaMemsetAsync);
  runtime().give(stream, [=] { std::memset(p, byte, bytes); });
  return cudaSuccess;
}

// ---- capture

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  REFUSES(cudaStreamBeginCapture);
  if (stream->capture) return answer(cudaErrorStreamCaptureUnsupported);
  stream->capture = new CUgraph_st, stream->capture_broken = false;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = std::exchange(stream->capture, nullptr);
  if (int status = runtime().refuses("cudaStreamEndCapture")) stream->capture_broken = status != 0;
  if (!stream->capture_broken) return cudaSuccess;
  delete std::exchange(*graph, nullptr);
  return answer(cudaErrorStreamCaptureInvalidated);
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  REFUSES(cudaGraphInstantiate);
  *exec = new CUgraphExec_st{graph->work};
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  REFUSES(cudaGraphLaunch);
  for (const Work& work : exec->work) runtime().give(stream, work);
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  delete exec;
  return cudaSuccess;
}

// ---- virtual memory

static constexpr size_t kGranularity = size_t(2) << 20;

CUresult cuMemAddressReserve(CUdeviceptr* p, size_t bytes, size_t alignment, CUdeviceptr,
                             unsigned long long) {
  DRIVER_REFUSES(cuMemAddressReserve);
  if (bytes == 0 || bytes % kGranularity || (alignment & (alignment - 1)))
    return CUDA_ERROR_INVALID_VALUE;
  *p = device_memory().reserve(bytes, std::max(alignment, kGranularity));
  return *p ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}
CUresult cuMemAddressFree(CUdeviceptr p, size_t bytes) {
  return device_memory().unreserve(p, bytes) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
CUresult cuMemCreate(CUmemGenericAllocationHandle* handle, size_t bytes,
                     const CUmemAllocationProp* prop, unsigned long long) {
  DRIVER_REFUSES(cuMemCreate);
  if (bytes == 0 || bytes % kGranularity || prop->type != CU_MEM_ALLOCATION_TYPE_PINNED ||
      prop->location.type != CU_MEM_LOCATION_TYPE_DEVICE || prop->location.id != 0)
    return CUDA_ERROR_INVALID_VALUE;
  if (!device_memory().create(bytes)) return CUDA_ERROR_OUT_OF_MEMORY;
  *handle = runtime().next_handle++;
  runtime().allocations[*handle] = {bytes, false, 0};
  return CUDA_SUCCESS;
}
CUresult cuMemRelease(CUmemGenericAllocationHandle handle) {
  auto found = runtime().allocations.find(handle);
  if (found == runtime().allocations.end() || found->second.released)
    return CUDA_ERROR_INVALID_VALUE;
  found->second.released = true;  // the memory itself goes with its last mapping
  runtime().drop_if_unused(handle);
  return CUDA_SUCCESS;
}
CUresult cuMemMap(CUdeviceptr p, size_t bytes, size_t offset, CUmemGenericAllocationHandle handle,
                  unsigned long long) {
  DRIVER_REFUSES(cuMemMap);
  auto found = runtime().allocations.find(handle);
  if (found == runtime().allocations.end() || offset != 0 || found->second.bytes != bytes ||
      p % kGranularity || runtime().mappings.count(p))
    return CUDA_ERROR_INVALID_VALUE;
  ++found->second.mappings;
  runtime().mappings[p] = {bytes, handle, false};
  return CUDA_SUCCESS;
}
CUresult cuMemSetAccess(CUdeviceptr p, size_t bytes, const CUmemAccessDesc* access, size_t count) {
  DRIVER_REFUSES(cuMemSetAccess);
  auto found = runtime().mappings.find(p);
  if (found == runtime().mappings.end() || found->second.bytes != bytes || count != 1 ||
      access->flags != CU_MEM_ACCESS_FLAGS_PROT_READWRITE)
    return CUDA_ERROR_INVALID_VALUE;
  if (!device_memory().map(p, bytes)) return CUDA_ERROR_INVALID_VALUE;
  found->second.accessible = true;
  return CUDA_SUCCESS;
}
CUresult cuMemUnmap(CUdeviceptr p, size_t bytes) {
  auto found = runtime().mappings.find(p);
  if (found == runtime().mappings.end() || found->second.bytes != bytes)
    return CUDA_ERROR_INVALID_VALUE;
  if (runtime().busy())
    throw emulator::Error("emulator: cuMemUnmap while work that may use the memory is waiting");
  if (found->second.accessible) device_memory().unmap(p, bytes);
  CUmemGenericAllocationHandle handle = found->second.handle;
  runtime().mappings.erase(found);
  --runtime().allocations.at(handle).mappings;
  runtime().drop_if_unused(handle);
  return CUDA_SUCCESS;
}
