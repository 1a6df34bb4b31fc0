#include "train/data/npy.h"
#include <algorithm>
#include <cstring>
#include <cctype>
#include <string_view>
#include <utility>
#include "engine/check.h"
#include "train/data/names.h"

namespace autodidact {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kLongestHeader = 64 << 10;
constexpr int64_t kLargestFile = int64_t(64) << 30;

// The header is a Python dict literal: {'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }.
// Only these three keys, these kinds of values, each once.
class Header {
 public:
  Header(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  void parse(Npy& a) {
    bool descr = false, order = false, shape = false;
    expect('{');
    while (!take('}')) {
      std::string key = string();
      expect(':');
      if (key == "descr" && !std::exchange(descr, true)) a.dtype = string();
      else if (key == "fortran_order" && !std::exchange(order, true)) {
        if (word() != "False")
          stop("fortran_order must be False (save numpy.ascontiguousarray(x) instead)");
      } else if (key == "shape" && !std::exchange(shape, true)) a.shape = tuple();
      else stop("unknown or repeated key '", printable(key), "'");
      if (!take(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (at_ != text_.size()) stop("text after the closing brace");
    if (!descr || !order || !shape) stop("descr, fortran_order and shape are needed");
  }

 private:
  template <class... Parts>
  [[noreturn]] void stop(const Parts&... parts) const {
    fail(ErrorKind::data, printable(name_), ": damaged .npy header: ", parts...);
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  bool take(char c) {
    skip_space();
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) stop("'", c, "' was expected at byte ", at_);
  }
  std::string string() {
    char quote = take('\'') ? '\'' : take('"') ? '"' : '\0';
    size_t end = quote ? text_.find(quote, at_) : text_.npos;
    if (end == text_.npos || end - at_ > 64)
      stop("a short string was expected at byte ", at_,
           " (arrays with named fields are not supported)");
    std::string s(text_.substr(at_, end - at_));
    at_ = end + 1;
    return s;
  }
  std::string_view word() {
    skip_space();
    size_t start = at_;
    while (at_ < text_.size() && std::isalpha(static_cast<unsigned char>(text_[at_]))) ++at_;
    return text_.substr(start, at_ - start);
  }
  std::vector<int64_t> tuple() {
    std::vector<int64_t> shape;
    expect('(');
    while (!take(')')) {
      skip_space();
      size_t start = at_;
      int64_t n = 0;
      for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
        n = n * 10 + (text_[at_] - '0');
        if (n > kLargestFile) stop("a dimension is too large");
      }
      if (at_ == start) stop("a dimension was expected at byte ", at_);
      if (shape.size() == 8) stop("more than 8 dimensions");
      shape.push_back(n);
      if (!take(',')) {
        expect(')');
        break;
      }
    }
    return shape;
  }

  std::string_view text_;
  const std::string& name_;
  size_t at_ = 0;
};

size_t item_size(const std::string& dtype, const std::string& name) {
  static constexpr const char* kKnown[] = {"|u1", "|i1", "|b1", "<u2", "<i2", "<u4",
                                           "<i4", "<u8", "<i8", "<f2", "<f4", "<f8"};
  for (const char* known : kKnown)
    if (dtype == known) return size_t(dtype[2] - '0');
  fail(ErrorKind::data, printable(name), ": elements of type '", printable(dtype),
       "' are not supported; save little-endian integers or floats (images: numpy.uint8)");
}

}  // namespace

int64_t Npy::count() const {
  int64_t n = 1;
  for (int64_t d : shape) n *= d;
  return n;
}

Npy parse_npy(Bytes file, const std::string& name) {
  auto stop = [&](const auto&... parts) { fail(ErrorKind::data, printable(name), ": ", parts...); };
  if (file.size() < 10 || std::memcmp(file.data(), kMagic.data(), kMagic.size()) != 0)
    stop("is not an .npy file (its first bytes are not \\x93NUMPY)");
  const int major = file[6], minor = file[7];
  if (major < 1 || major > 3 || minor != 0)
    stop("is an .npy file of version ", major, ".", minor, ", versions 1.0 to 3.0 are read");
  const size_t length_bytes = major == 1 ? 2 : 4, start = 8 + length_bytes;
  size_t length = 0;
  for (size_t i = 0; i < length_bytes && 8 + i < file.size(); ++i)
    length |= size_t(file[8 + i]) << (8 * i);
  if (length > kLongestHeader)
    stop("damaged .npy header: it has ", length, " bytes, the limit is ", kLongestHeader);
  if (file.size() < start + length) stop("damaged .npy file: it ends inside its header");

  Npy a;
  Header({reinterpret_cast<const char*>(file.data()) + start, length}, name).parse(a);
  const size_t data = file.size() - start - length;
  size_t bytes = item_size(a.dtype, name);
  for (int64_t d : a.shape)
    if (__builtin_mul_overflow(bytes, size_t(d), &bytes))
      stop("damaged .npy header: its shape overflows");
  if (bytes != data)
    stop("damaged .npy file: its header promises ", bytes, " bytes of data, it has ", data);
  auto elements = file.subspan(start + length);
  a.bytes.assign(elements.begin(), elements.end());
  return a;
}

Npy read_npy(const std::string& path) { return parse_npy(read_bytes(path, kLargestFile), path); }

int64_t integer_at(const Npy& a, int64_t i) {
  const size_t bytes = size_t(a.dtype[2] - '0');
  const uint8_t* p = a.bytes.data() + size_t(i) * bytes;
  uint64_t v = 0;
  for (size_t k = 0; k < bytes; ++k) v |= uint64_t(p[k]) << (8 * k);
  if (a.dtype[1] == 'i' && bytes < 8 && p[bytes - 1] & 0x80) v |= ~uint64_t(0) << (8 * bytes);
  return int64_t(v);
}

void write_npy(const std::string& path, const std::string& dtype, const std::vector<int64_t>& shape,
               Bytes elements) {
  std::string header = "{'descr': '" + dtype + "', 'fortran_order': False, 'shape': (";
  for (int64_t d : shape) header += std::to_string(d) + ",";
  header += "), }";
  // Magic, version, length and header together are a multiple of 64, the last byte a newline.
  header.resize((10 + header.size() + 1 + 63) / 64 * 64 - 10 - 1, ' ');
  header += '\n';
  std::vector<uint8_t> file(kMagic.begin(), kMagic.end());
  for (size_t byte : {size_t(1), size_t(0), header.size(), header.size() >> 8})
    file.push_back(uint8_t(byte));
  file.insert(file.end(), header.begin(), header.end());
  file.insert(file.end(), elements.begin(), elements.end());
  write_bytes(path, file);
}

void write_npy(const std::string& path, const std::vector<int64_t>& integers) {
  write_npy(path, "<i8", {int64_t(integers.size())},
            {reinterpret_cast<const uint8_t*>(integers.data()), integers.size() * 8});
}

}  // namespace autodidact
