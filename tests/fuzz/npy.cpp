// libFuzzer: any bytes are an array whose size is that of its shape and type, or an Error.
#include <cstdlib>
#include "engine/check.h"
#include "train/data/npy.h"

using namespace autodidact;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    Npy a = parse_npy({data, size}, "a.npy");
    if (a.bytes.size() != size_t(a.count()) * size_t(a.dtype[2] - '0')) std::abort();
    if ((a.dtype[1] == 'i' || a.dtype[1] == 'u') && a.count() > 0) integer_at(a, a.count() - 1);
  } catch (const Error& e) {
    if (e.kind != ErrorKind::data) std::abort();
  }
  return 0;
}
