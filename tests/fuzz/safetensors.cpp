// libFuzzer: any bytes are a safetensors file or an Error; a header that was read can be written
// and reads back the same.
#include <cstdlib>
#include "engine/safetensors.h"
#include "engine/safetensors_header.h"

using namespace autodidact;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  TensorFile file;
  try {
    file = parse_safetensors(bytes, "fuzz");
  } catch (const Error& e) {
    if (e.kind != ErrorKind::checkpoint && e.kind != ErrorKind::usage) std::abort();
    return 0;
  }
  SafetensorsHeader header;
  header.metadata = file.metadata;
  uint64_t end = 0;
  for (auto& [name, t] : file.tensors) {
    uint64_t begin = end;
    end += t.bytes();
    header.tensors[name] = {&stored_dtype(t.dtype), t.shape, begin, end};
  }
  std::string text = safetensors_header_text(header);
  SafetensorsHeader again = parse_safetensors_header(text, end, "again");
  if (safetensors_header_text(again) != text || again.metadata != file.metadata) std::abort();
  return 0;
}
