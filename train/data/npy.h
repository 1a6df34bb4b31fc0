// NumPy's .npy files, versions 1 to 3 (numpy.lib.format), read strictly and written.
#pragma once
#include <string>
#include "train/data/bytes.h"

namespace autodidact {

struct Npy {
  std::string dtype;           // as written: "|u1", "<i8", "<f4"
  std::vector<int64_t> shape;  // C order
  std::vector<uint8_t> bytes;  // the elements alone
  int64_t count() const;       // elements
};

// The sizes are checked against each other and the limits before anything is allocated.
// ErrorKind::data, "NAME: reason".
Npy parse_npy(Bytes file, const std::string& name);
Npy read_npy(const std::string& path);
// Element i of an integer array.
int64_t integer_at(const Npy& a, int64_t i);

void write_npy(const std::string& path, const std::string& dtype, const std::vector<int64_t>& shape,
               Bytes elements);
// Labels, as numpy's own integers: <i8 [N].
void write_npy(const std::string& path, const std::vector<int64_t>& integers);

}  // namespace autodidact
