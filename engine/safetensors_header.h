// The header of a safetensors file: eight bytes of length (little-endian) and a JSON object
//   {"__metadata__": {"format": "pt", ...}, "conv1.weight": {"dtype": "F32", "shape": [64, 3, 7,
//   7], "data_offsets": [0, 37632]}, ...}
// padded with spaces. A file is not trusted: the parser accepts exactly this form, and the entries
// must cover the data without hole or overlap. Format:
// github.com/huggingface/safetensors#format.
#pragma once
#include <map>
#include <string>
#include <string_view>
#include "engine/tensor.h"

namespace autodidact {

struct SafetensorsLimits {
  static constexpr uint64_t kHeaderBytes = 16 << 20;  // the format allows 100 MB
  static constexpr size_t kTensors = 100000;
  static constexpr size_t kNameBytes = 1024;
};

// The element types that are read. F16 becomes f32 and BOOL becomes u8 (0 or 1); the others are
// kept.
struct StoredDtype {
  const char* name;  // as the file spells it
  size_t bytes;
  Dtype dtype;  // in memory
};
const StoredDtype* stored_dtype(std::string_view name);  // null: not one of them
const StoredDtype& stored_dtype(Dtype dtype);            // what a tensor is written as

struct SafetensorsEntry {
  const StoredDtype* stored;
  Shape shape;
  uint64_t begin, end;  // bytes from the start of the data
};

struct SafetensorsHeader {
  std::map<std::string, SafetensorsEntry> tensors;
  std::map<std::string, std::string> metadata;  // `__metadata__`
};

// json: the header without its length. data_bytes: what follows it in the file. Errors
// (ErrorKind::checkpoint) start with `file`.
SafetensorsHeader parse_safetensors_header(std::string_view json, uint64_t data_bytes,
                                           const std::string& file);
// The same object as text, padded with spaces so that text and its eight bytes of length are a
// multiple of 8.
std::string safetensors_header_text(const SafetensorsHeader& header);

bool is_utf8(std::string_view text);

}  // namespace autodidact
