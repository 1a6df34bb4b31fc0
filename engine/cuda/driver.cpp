#include "engine/cuda/driver.h"
#include <cuda.h>
#include <cuda_runtime_api.h>
#include <algorithm>
#include <iterator>

namespace autodidact::cuda {
namespace {

constexpr int kOldestMajor = 8;  // sm_80: the oldest that cmake/device.cmake compiles for
constexpr size_t kChunk = size_t(16) << 20;  // a multiple of the 2 MiB that the driver maps in
size_t mapped = 0, mapped_peak = 0;          // bytes

std::string version_text(int v) {
  return std::to_string(v / 1000) + "." + std::to_string(v % 1000 / 10);
}

// What a user can do about a status; "" where it speaks for itself.
std::string advice(int status) {
  switch (status) {
    case cudaErrorInsufficientDriver: {
      int driver = 0, runtime = 0;
      cudaDriverGetVersion(&driver), cudaRuntimeGetVersion(&runtime);
      if (driver == 0) return "there is no NVIDIA driver on this machine";
      return "the driver is for CUDA " + version_text(driver) + ", this program for CUDA " +
             version_text(runtime) + ": update the driver";
    }
    case cudaErrorNoDevice:
      return "no GPU is visible: is there one, and does CUDA_VISIBLE_DEVICES hide it?";
    case cudaErrorNoKernelImageForDevice:
      return "this program has no code for this GPU: it needs compute capability 8.0 or later";
    case cudaErrorMemoryAllocation:
      return "the GPU's memory is used up; a smaller batch needs less";
  }
  return "";
}

// Statuses after which every call of the process fails: those of which driver_types.h of CUDA 13
// says "the process must be terminated and relaunched", and 214, an uncorrectable memory error.
bool is_final(int status) {
  constexpr int kFinal[] = {214, 226, 700, 702, 710, 714, 715, 716, 717, 718, 719, 721};
  return std::find(std::begin(kFinal), std::end(kFinal), status) != std::end(kFinal);
}

void check_call(cudaError_t status, const char* what) { check_status(int(status), what); }
void check_driver(CUresult status, const char* what) { check_status(int(status), what); }

template <class F>
F* entry(const char* name) {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult result;
  check_call(cudaGetDriverEntryPointByVersion(name, &function, 12000, cudaEnableDefault, &result),
             name);
  if (!function) fail(ErrorKind::device, name, ": the driver does not have it: update the driver");
  return reinterpret_cast<F*>(function);
}

// The driver's functions by name, asked of it at run time: the program also starts where there is
// no driver.
struct Driver {
  decltype(cuMemAddressReserve)* reserve =
      entry<decltype(cuMemAddressReserve)>("cuMemAddressReserve");
  decltype(cuMemAddressFree)* free = entry<decltype(cuMemAddressFree)>("cuMemAddressFree");
  decltype(cuMemCreate)* create = entry<decltype(cuMemCreate)>("cuMemCreate");
  decltype(cuMemRelease)* release = entry<decltype(cuMemRelease)>("cuMemRelease");
  decltype(cuMemMap)* map = entry<decltype(cuMemMap)>("cuMemMap");
  decltype(cuMemUnmap)* unmap = entry<decltype(cuMemUnmap)>("cuMemUnmap");
  decltype(cuMemSetAccess)* set_access = entry<decltype(cuMemSetAccess)>("cuMemSetAccess");
};
const Driver& driver() {
  static const Driver d;
  return d;
}

class DevicePages : public Pages {
 public:
  DevicePages(CUdeviceptr base, size_t range, CUstream_st* stream)
      : Pages(reinterpret_cast<char*>(base), range, kChunk), stream_(stream) {}
  ~DevicePages() override { driver().free(address(0), range()); }

  bool map(size_t i) override {
    CUmemAllocationProp prop{};
    prop.type = CU_MEM_ALLOCATION_TYPE_PINNED, prop.location.type = CU_MEM_LOCATION_TYPE_DEVICE;
    CUmemGenericAllocationHandle handle = 0;
    CUresult status = driver().create(&handle, kChunk, &prop, 0);
    if (status == CUDA_ERROR_OUT_OF_MEMORY) return false;
    check_driver(status, "cuMemCreate");
    CUmemAccessDesc access{prop.location, CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    check_driver(driver().map(address(i), kChunk, 0, handle, 0), "cuMemMap");
    check_driver(driver().release(handle), "cuMemRelease");  // the mapping keeps it
    check_driver(driver().set_access(address(i), kChunk, &access, 1), "cuMemSetAccess");
    mapped += kChunk, mapped_peak = std::max(mapped_peak, mapped);
    return true;
  }
  void unmap(size_t i) override {
    cudaStreamSynchronize(stream_);  // what runs may still use it; after an error nothing runs
    driver().unmap(address(i), kChunk);
    mapped -= kChunk;
  }
  void fill(char* p, int byte, size_t bytes) override { fill_async(p, byte, bytes, stream_); }
  void read(void* to, const char* p, size_t bytes) override {
    copy_async(to, p, bytes, Way::to_host, stream_);
    synchronize(stream_);
  }
  ErrorKind kind() const override { return ErrorKind::device; }

 private:
  CUdeviceptr address(size_t chunk_index) const {
    return reinterpret_cast<CUdeviceptr>(base()) + chunk_index * kChunk;
  }
  CUstream_st* stream_;
};

}  // namespace

Found find_gpu() {
  Found f;
  int version = 0;
  cudaDriverGetVersion(&version);
  f.driver = version ? "CUDA " + version_text(version) : "";
  f.present = version != 0;
  cudaError_t status = cudaGetDeviceCount(&f.count);
  cudaDeviceProp properties{};
  if (status == cudaSuccess && f.count == 0) status = cudaErrorNoDevice;
  if (status == cudaSuccess) status = cudaGetDeviceProperties(&properties, 0);
  if (status == cudaSuccess && properties.major < kOldestMajor)
    status = cudaErrorNoKernelImageForDevice;
  f.name = properties.name;
  if (status == cudaErrorNoDevice) f.present = false;
  f.usable = status == cudaSuccess;
  if (!f.usable) f.reason = advice(int(status));
  if (!f.usable && f.reason.empty()) f.reason = cudaGetErrorString(status);
  cudaGetLastError();  // told here
  return f;
}

void check_status(int status, const std::string& what) {
  if (status == cudaSuccess) return;
  std::string text = cudaGetErrorString(cudaError_t(status));
  if (is_final(status))
    fail(
        ErrorKind::device, what, ": the GPU stopped: ", text,
        "; nothing more can run on it in this process. The last checkpoint is unharmed: go on with "
        "--resume");
  std::string more = advice(status);
  fail(ErrorKind::device, what, ": ", text, more.empty() ? "" : "; " + more);
}

CUstream_st* new_stream() {
  cudaStream_t stream = nullptr;
  check_call(cudaSetDevice(0), "cudaSetDevice");
  check_call(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "cudaStreamCreate");
  return stream;
}
void synchronize(CUstream_st* s) { check_call(cudaStreamSynchronize(s), "waiting for the GPU"); }
CUevent_st* new_event() {
  cudaEvent_t event = nullptr;
  check_call(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreate");
  return event;
}
void record(CUevent_st* e, CUstream_st* s) { check_call(cudaEventRecord(e, s), "cudaEventRecord"); }
void wait(CUevent_st* e) { check_call(cudaEventSynchronize(e), "waiting for the GPU"); }
void* pinned(size_t bytes) {
  void* p = nullptr;
  check_call(cudaMallocHost(&p, bytes), "cudaMallocHost");
  return p;
}
void copy_async(void* to, const void* from, size_t bytes, Way way, CUstream_st* s) {
  constexpr cudaMemcpyKind kKinds[] = {cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost,
                                       cudaMemcpyDeviceToDevice};
  check_call(cudaMemcpyAsync(to, from, bytes, kKinds[int(way)], s), "cudaMemcpy");
}
void fill_async(void* p, int byte, size_t bytes, CUstream_st* s) {
  check_call(cudaMemsetAsync(p, byte, bytes, s), "cudaMemset");
}

void begin_capture(CUstream_st* s) {
  check_call(cudaStreamBeginCapture(s, cudaStreamCaptureModeThreadLocal), "capture");
}
CUgraphExec_st* end_capture(CUstream_st* s) {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t exec = nullptr;
  check_call(cudaStreamEndCapture(s, &graph), "capture");
  cudaError_t status = cudaGraphInstantiate(&exec, graph, 0);
  cudaGraphDestroy(graph);
  check_call(status, "capture");
  return exec;
}
void drop_capture(CUstream_st* s) noexcept {
  cudaGraph_t graph = nullptr;
  cudaStreamEndCapture(s, &graph);
  if (graph) cudaGraphDestroy(graph);
  cudaGetLastError();
}
void launch(CUgraphExec_st* g, CUstream_st* s) { check_call(cudaGraphLaunch(g, s), "replay"); }
void destroy(CUgraphExec_st* g) noexcept { cudaGraphExecDestroy(g); }

size_t memory_bytes() {
  size_t free = 0, total = 0;
  check_call(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  return total;
}
size_t most_mapped() { return mapped_peak; }
std::unique_ptr<Pages> new_pages(size_t range, CUstream_st* stream) {
  CUdeviceptr base = 0;
  range = (range + kChunk - 1) / kChunk * kChunk;
  check_driver(driver().reserve(&base, range, kChunk, 0, 0), "cuMemAddressReserve");
  return std::make_unique<DevicePages>(base, range, stream);
}

}  // namespace autodidact::cuda
