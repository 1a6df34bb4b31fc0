// Safetensors: the files that weights live in, ours and everybody's. Convolution weights lie OHWI
// in memory and OIHW in files; store() and load_strict() convert, and nothing else does.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>
#include "engine/module.h"

namespace autodidact {

struct TensorFile {
  std::map<std::string, Tensor> tensors;  // as in the file: row-major, convolution weights OIHW
  std::map<std::string, std::string> metadata;
  std::string header;  // as it was read, with its eight bytes of length; empty if not from a file
};

// Reads and checks a whole file, with read(), never mmap: a file that shrinks is an error, not a
// signal. ErrorKind::checkpoint for anything unsound, ::data for a file that cannot be opened.
TensorFile read_safetensors(const std::string& path);
TensorFile parse_safetensors(std::string_view bytes, const std::string& name);
// The same checks with no tensor in memory: their bytes as stored pass by in pieces, tensor after
// tensor, at least one piece (perhaps empty) of each. The file returned has no tensors.
TensorFile scan_safetensors(
    const std::string& path,
    const std::function<void(const std::string& tensor, std::string_view piece)>& take);

// Writes durably (engine/durable_file.h), "format": "pt" added; tensors lie by alignment, then by
// name. seal(header) may fill in values of the header's text, not its length; verify(path) reads
// the temporary file back before it replaces an old one.
void write_safetensors(const std::string& path, const TensorFile& file,
                       const std::function<void(std::string& header)>& seal = {},
                       const std::function<void(const std::string& path)>& verify = {});

// A model's tensors as files hold them: the f32 masters where the model computes in bf16.
struct StoredTensor {
  std::string name;
  Tensor tensor;
  Role role;
};
std::vector<StoredTensor> stored_tensors(const std::vector<NamedTensor>& model,
                                         const Parameters* parameters = nullptr);
// One flat buffer over a model's parameters (momentum, an average), a tensor each.
std::vector<StoredTensor> stored_tensors(const Parameters& parameters, const Tensor& flat);

void store(TensorFile& file, const std::vector<StoredTensor>& tensors,
           const std::string& prefix = "");

struct LoadOptions {
  std::string prefix = {};  // what the file's names start with; others are ignored
  std::vector<std::string> may_be_missing = {};  // tensors or modules that keep their values
  std::vector<std::string> may_be_extra = {};  // tensors or modules of the file that are not wanted
};
// Copies a file's tensors into a model's. Missing, unexpected and mismatched names are reported in
// one error (ErrorKind::checkpoint; the first five, and how many more) before anything is written.
// Returns the names that kept their values. After loading masters of a bf16 model, call
// Parameters::refresh_compute().
std::vector<std::string> load_strict(const std::vector<StoredTensor>& to, const TensorFile& file,
                                     const LoadOptions& options, const std::string& file_name);

// The same for a whole model; refreshes the bf16 copy.
template <class M>
requires requires(M& m, Visitor& v) { m.visit(v); }
std::vector<std::string> load_strict(M& model, const TensorFile& file, const LoadOptions& options,
                                     const std::string& file_name,
                                     Parameters* parameters = nullptr) {
  auto kept =
      load_strict(stored_tensors(named_tensors(model), parameters), file, options, file_name);
  if (parameters) parameters->refresh_compute();
  return kept;
}

}  // namespace autodidact
