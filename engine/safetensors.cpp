// Reading and writing safetensors files: the tensors' bytes, their conversion (dtype, OHWI to OIHW)
// and the checks against a model. The header's JSON is safetensors_header.cpp's.
#include "engine/safetensors.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include "engine/durable_file.h"
#include "engine/safetensors_header.h"
#include "kernels/parallel.h"

namespace autodidact {
namespace {

constexpr uint64_t kLengthBytes = 8;

// Where the bytes come from: a file read in order, or memory. take() fills exactly n bytes.
class Source {
 public:
  Source(std::string_view bytes, std::string name)
      : name_(std::move(name)), size_(bytes.size()), memory_(bytes) {}
  explicit Source(const std::string& path) : name_(path), fd_(open_regular(path, path, size_)) {}
  ~Source() {
    if (fd_ >= 0) close(fd_);
  }
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  const std::string& name() const { return name_; }
  uint64_t size() const { return size_; }
  void take(void* to, size_t n) {
    char* p = static_cast<char*>(to);
    if (fd_ < 0) {
      if (n > memory_.size()) fail(ErrorKind::checkpoint, name_, ": ends too early");
      if (n) std::memcpy(p, memory_.data(), n);
      memory_.remove_prefix(n);
      return;
    }
    while (n > 0) {
      ssize_t got = ::read(fd_, p, n);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) fail(ErrorKind::data, name_, ": cannot be read: ", std::strerror(errno));
      if (got == 0) fail(ErrorKind::checkpoint, name_, ": became shorter while it was read");
      p += got, n -= size_t(got);
    }
  }

 private:
  std::string name_;
  uint64_t size_ = 0;
  std::string_view memory_;
  int fd_ = -1;
};

float half_to_float(uint16_t h) {
  uint32_t sign = uint32_t(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 0x3ff, u;
  if (exponent == 31) u = sign | 0x7f800000 | fraction << 13;
  else if (exponent) u = sign | (exponent + 112) << 23 | fraction << 13;
  else {  // zero or subnormal: fraction * 2^-24, exact in f32
    float f = float(fraction) * 0x1p-24f;
    std::memcpy(&u, &f, 4);
    u |= sign;
  }
  float f;
  std::memcpy(&f, &u, 4);
  return f;
}

Tensor read_tensor(Source& source, const SafetensorsEntry& e) {
  Tensor t = empty(e.shape, e.stored->dtype);
  std::string_view stored = e.stored->name;
  if (stored == "F16") {
    std::vector<uint16_t> half(size_t(t.size()));
    source.take(half.data(), half.size() * 2);
    std::transform(half.begin(), half.end(), ptr<float>(t), half_to_float);
    return t;
  }
  source.take(t.data(), t.bytes());
  if (stored == "BOOL")
    for (uint8_t* p = ptr<uint8_t>(t); p < ptr<uint8_t>(t) + t.size(); ++p) *p = *p != 0;
  return t;
}

// What stands before the tensors; then each(name, entry) for every one, in the file's order.
template <class Each>
TensorFile read_in_order(Source& source, const Each& each) {
  if (source.size() < kLengthBytes + 2)
    fail(ErrorKind::checkpoint, source.name(), ": too short for a safetensors file (",
         source.size(), " bytes)");
  unsigned char length[kLengthBytes];
  source.take(length, kLengthBytes);
  uint64_t n = 0;
  for (size_t i = kLengthBytes; i-- > 0;) n = n << 8 | length[i];
  if (n > SafetensorsLimits::kHeaderBytes &&
      ((length[0] == 'P' && length[1] == 'K') || (length[0] == 0x80 && length[1] <= 5)))
    fail(ErrorKind::usage, source.name(),
         ": is a PyTorch pickle, which can hold code and is never read; save it again with "
         "safetensors.torch.save_file(model.state_dict(), ...)");
  if (n > SafetensorsLimits::kHeaderBytes)
    fail(ErrorKind::checkpoint, source.name(), ": a header of ", n, " bytes in a file of ",
         source.size(), "; at most ", SafetensorsLimits::kHeaderBytes, " are read");
  if (n > source.size() - kLengthBytes)
    fail(ErrorKind::checkpoint, source.name(),
         ": ends inside its header: ", source.size() - kLengthBytes, " bytes of ", n);
  TensorFile file;
  file.header.assign(reinterpret_cast<char*>(length), kLengthBytes);
  file.header.resize(size_t(kLengthBytes + n));
  source.take(file.header.data() + kLengthBytes, size_t(n));
  SafetensorsHeader header =
      parse_safetensors_header(std::string_view(file.header).substr(kLengthBytes),
                               source.size() - kLengthBytes - n, source.name());
  std::vector<std::pair<uint64_t, const std::string*>> order;
  for (auto& [name, e] : header.tensors) order.emplace_back(e.end, &name);
  std::sort(order.begin(), order.end(), [](auto& a, auto& b) { return a.first < b.first; });
  for (auto& [end, name] : order) each(*name, header.tensors.at(*name));
  file.metadata = std::move(header.metadata);
  return file;
}

TensorFile read_from(Source& source) {
  std::map<std::string, Tensor> tensors;
  TensorFile file =
      read_in_order(source, [&](const std::string& name, const SafetensorsEntry& entry) {
        tensors[name] = read_tensor(source, entry);
      });
  file.tensors = std::move(tensors);
  return file;
}

// Every [middle, last] plane of each row of the first dimension transposed: OHWI -> OIHW with
// middle = H W, last = I, and back with the two exchanged.
template <class Word>
void transpose_planes(void* to, const void* from, int64_t rows, int64_t middle, int64_t last) {
  parallel_for(rows, 16, [=](int64_t begin, int64_t end) {
    auto* y = static_cast<Word*>(to) + begin * middle * last;
    auto* x = static_cast<const Word*>(from) + begin * middle * last;
    for (int64_t r = begin; r < end; ++r, x += middle * last, y += middle * last)
      for (int64_t m = 0; m < middle; ++m)
        for (int64_t l = 0; l < last; ++l) y[l * middle + m] = x[m * last + l];
  });
}

void transpose_planes(Tensor& to, const Tensor& from, int64_t rows, int64_t middle, int64_t last) {
  switch (bytes_of(from.dtype)) {
    case 2:
      return transpose_planes<uint16_t>(to.data(), from.data(), rows, middle, last);
    case 4:
      return transpose_planes<uint32_t>(to.data(), from.data(), rows, middle, last);
    default:
      return transpose_planes<uint64_t>(to.data(), from.data(), rows, middle, last);
  }
}

Shape file_shape(const Shape& s, Role role) {
  if (role != Role::conv_weight) return s;
  check(s.rank() == 4, "safetensors: a convolution's weight must be OHWI, got ", s);
  return {s[0], s[3], s[1], s[2]};
}

// In the host's memory.
Tensor to_file_order(const Tensor& tensor, Role role) {
  Tensor t = to_device(tensor, Device::cpu);
  if (role != Role::conv_weight) return t;
  Tensor y = empty(file_shape(t.shape, role), t.dtype);
  transpose_planes(y, t, t.shape[0], int64_t(t.shape[1]) * t.shape[2], t.shape[3]);
  return y;
}

Tensor to_memory_order(const Tensor& t, Role role, const Shape& shape) {
  if (role != Role::conv_weight) return t;
  Tensor y = empty(shape, t.dtype);
  transpose_planes(y, t, t.shape[0], t.shape[1], int64_t(t.shape[2]) * t.shape[3]);
  return y;
}

// A name is listed if it is one of the entries, or lies inside a module that is.
bool listed(const std::string& name, const std::vector<std::string>& entries) {
  return std::any_of(entries.begin(), entries.end(), [&](const std::string& e) {
    return name == e || name.rfind(e + ".", 0) == 0;
  });
}

}  // namespace

TensorFile read_safetensors(const std::string& path) {
  Source source(path);
  return read_from(source);
}

TensorFile parse_safetensors(std::string_view bytes, const std::string& name) {
  Source source(bytes, name);
  return read_from(source);
}

void write_safetensors(const std::string& path, const TensorFile& file,
                       const std::function<void(std::string&)>& seal,
                       const std::function<void(const std::string&)>& verify) {
  std::vector<std::pair<const std::string*, const Tensor*>> order;
  for (auto& [name, t] : file.tensors) {
    check(bool(t) && t.device() == Device::cpu, "safetensors: ", name, " has no memory to write");
    order.emplace_back(&name, &t);
  }
  std::stable_sort(order.begin(), order.end(), [](auto& a, auto& b) {
    return bytes_of(a.second->dtype) > bytes_of(b.second->dtype);
  });
  SafetensorsHeader header;
  header.metadata = file.metadata;
  header.metadata.emplace("format", "pt");  // transformers' loader refuses files without it
  uint64_t data_bytes = 0;
  for (auto [name, t] : order) {
    uint64_t end = data_bytes + t->bytes();
    header.tensors[*name] = {&stored_dtype(t->dtype), t->shape, data_bytes, end};
    data_bytes = end;
  }
  std::string json = safetensors_header_text(header);
  // What we would refuse to read is not written: this finds empty, long and control-character
  // names.
  parse_safetensors_header(json, data_bytes, path);
  std::string text(kLengthBytes, '\0');
  for (size_t i = 0; i < kLengthBytes; ++i) text[i] = char(uint64_t(json.size()) >> (8 * i) & 255);
  text += json;
  size_t length = text.size();
  if (seal) seal(text);
  check(text.size() == length, "safetensors: sealing must not change the header's length");
  DurableFile out(path, text.size() + data_bytes);
  out.write(text);
  for (auto [name, t] : order) out.write(t->data(), t->bytes());
  out.commit(verify);
}

TensorFile scan_safetensors(
    const std::string& path,
    const std::function<void(const std::string& tensor, std::string_view piece)>& take) {
  Source source(path);
  std::string piece(size_t(1) << 20, '\0');
  return read_in_order(source, [&](const std::string& name, const SafetensorsEntry& entry) {
    uint64_t left = entry.end - entry.begin;
    do {
      const size_t n = size_t(std::min<uint64_t>(left, piece.size()));
      source.take(piece.data(), n);
      take(name, std::string_view(piece).substr(0, n));
      left -= n;
    } while (left > 0);
  });
}

std::vector<StoredTensor> stored_tensors(const std::vector<NamedTensor>& model,
                                         const Parameters* parameters) {
  std::map<std::string, const Parameters::Segment*> masters;
  if (parameters)
    for (const auto& s : parameters->segments()) masters[s.name] = &s;
  std::vector<StoredTensor> stored;
  for (auto& [name, t, role] : model) {
    auto found = masters.find(name);
    Tensor tensor = found == masters.end()
                        ? *t
                        : view_flat(parameters->value, found->second->begin, found->second->shape);
    stored.push_back({name, tensor, role});
  }
  return stored;
}

std::vector<StoredTensor> stored_tensors(const Parameters& parameters, const Tensor& flat) {
  check(flat.size() == parameters.size(), "safetensors: a flat buffer of ", parameters.size(),
        " elements is needed, got ", flat.size());
  std::vector<StoredTensor> stored;
  for (const auto& s : parameters.segments())
    stored.push_back({s.name, view_flat(flat, s.begin, s.shape), s.role});
  return stored;
}

void store(TensorFile& file, const std::vector<StoredTensor>& tensors, const std::string& prefix) {
  for (auto& [name, tensor, role] : tensors) {
    bool added = file.tensors.emplace(prefix + name, to_file_order(tensor, role)).second;
    check(added, "safetensors: two tensors are named ", prefix + name);
  }
}

std::vector<std::string> load_strict(const std::vector<StoredTensor>& to, const TensorFile& file,
                                     const LoadOptions& options, const std::string& file_name) {
  std::map<std::string, const StoredTensor*> wanted;
  for (const StoredTensor& s : to) wanted[s.name] = &s;
  constexpr size_t kShown = 5;  // the wrong network has hundreds
  std::vector<std::string> problems, kept;
  auto problem = [&problems](const auto&... parts) {
    std::ostringstream text;
    (text << ... << parts);
    problems.push_back(text.str());
  };
  std::vector<std::pair<const StoredTensor*, Tensor>> found;
  for (auto& [full_name, t] : file.tensors) {
    if (full_name.rfind(options.prefix, 0) != 0) continue;
    std::string name = full_name.substr(options.prefix.size());
    auto at = wanted.find(name);
    if (at == wanted.end()) {
      if (!listed(name, options.may_be_extra)) problem("unexpected ", full_name, " ", t.shape);
      continue;
    }
    const StoredTensor& s = *at->second;
    Shape expected = file_shape(s.tensor.shape, s.role);
    bool same_kind =
        t.dtype == s.tensor.dtype || (is_floating(t.dtype) && is_floating(s.tensor.dtype));
    if (t.shape != expected || !same_kind)
      problem("mismatched ", full_name, ": the model has ", s.tensor.dtype, " ", expected,
              ", the file ", t.dtype, " ", t.shape);
    else found.emplace_back(&s, t);
    wanted.erase(at);
  }
  for (auto& [name, s] : wanted) {
    if (listed(name, options.may_be_missing)) kept.push_back(name);
    else problem("missing ", options.prefix, name, " ", file_shape(s->tensor.shape, s->role));
  }
  if (!problems.empty()) {
    std::string text;
    for (size_t i = 0; i < std::min(kShown, problems.size()); ++i) text += "\n  " + problems[i];
    if (problems.size() > kShown)
      text += "\n  and " + std::to_string(problems.size() - kShown) + " more";
    fail(ErrorKind::checkpoint, file_name, ": does not fit the model:", text);
  }
  for (auto& [s, t] : found) {
    Tensor home = s->tensor;
    copy(home, to_memory_order(t, s->role, s->tensor.shape));
  }
  return kept;
}

}  // namespace autodidact
