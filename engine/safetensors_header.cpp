#include "engine/safetensors_header.h"
#include <algorithm>
#include <climits>
#include <vector>

namespace autodidact {

static constexpr StoredDtype kStored[] = {
    {"F32", 4, Dtype::f32}, {"BF16", 2, Dtype::bf16}, {"F64", 8, Dtype::f64},
    {"I32", 4, Dtype::i32}, {"I64", 8, Dtype::i64},   {"U8", 1, Dtype::u8},
    {"F16", 2, Dtype::f32}, {"BOOL", 1, Dtype::u8},
};

const StoredDtype* stored_dtype(std::string_view name) {
  for (const StoredDtype& s : kStored)
    if (name == s.name) return &s;
  return nullptr;
}

const StoredDtype& stored_dtype(Dtype dtype) {  // F16 and BOOL stand last: they are only read
  return *std::find_if(std::begin(kStored), std::end(kStored),
                       [&](const StoredDtype& s) { return s.dtype == dtype; });
}

bool is_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    auto byte = [&](size_t k) { return i + k < text.size() ? uint8_t(text[i + k]) : uint8_t(0); };
    auto tail = [&](size_t k) { return (byte(k) & 0xc0) == 0x80; };
    uint8_t a = byte(0), b = byte(1);
    if (a < 0x80) i += 1;
    else if (a >= 0xc2 && a <= 0xdf && tail(1)) i += 2;
    // Excluded: overlong forms (e0 80-9f, f0 80-8f), surrogates (ed a0-bf), beyond 10ffff (f4 90-).
    else if ((a & 0xf0) == 0xe0 && tail(1) && tail(2) && !(a == 0xe0 && b < 0xa0) &&
             !(a == 0xed && b > 0x9f))
      i += 3;
    else if (a >= 0xf0 && a <= 0xf4 && tail(1) && tail(2) && tail(3) && !(a == 0xf0 && b < 0x90) &&
             !(a == 0xf4 && b > 0x8f))
      i += 4;
    else return false;
  }
  return true;
}

namespace {

// A recursive-descent reader of just the header's grammar: nesting, types and keys are fixed by it.
class Parser {
 public:
  Parser(std::string_view text, uint64_t data_bytes, const std::string& file)
      : text_(text), data_bytes_(data_bytes), file_(file) {}

  SafetensorsHeader parse() {
    if (text_.empty() || text_[0] != '{') bad("the header must start with {");
    if (!is_utf8(text_)) bad("the header is not valid UTF-8");
    SafetensorsHeader header;
    bool has_metadata = false;
    object([&](const std::string& name) {
      if (name == "__metadata__") {
        if (has_metadata) bad("two __metadata__ objects");
        has_metadata = true;
        object([&](const std::string& key) {
          if (!header.metadata.emplace(key, string()).second) bad("metadata key twice: ", key);
        });
        return;
      }
      check_name(name);
      if (!header.tensors.emplace(name, entry(name)).second) bad("tensor twice: ", name);
      if (header.tensors.size() > SafetensorsLimits::kTensors)
        bad("more than ", SafetensorsLimits::kTensors, " tensors");
    });
    for (; at_ < text_.size(); ++at_)
      if (text_[at_] != ' ') bad("only spaces may follow the header's object");
    check_cover(header);
    return header;
  }

 private:
  template <class... Parts>
  [[noreturn]] void bad(const Parts&... parts) {
    fail(ErrorKind::checkpoint, file_, ": not a sound safetensors file: ", parts...,
         " (header byte ", at_, ")");
  }

  void space() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != text_.npos) ++at_;
  }
  bool take(char c) {
    space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) bad("expected ", c);
  }

  // {"key": <value>, ...}; value(key) reads the value.
  template <class F>
  void object(F&& value) {
    expect('{');
    if (take('}')) return;
    do {
      std::string key = string();
      expect(':');
      value(key);
    } while (take(','));
    expect('}');
  }
  template <class F>
  void array(F&& element) {
    expect('[');
    if (take(']')) return;
    do element();
    while (take(','));
    expect(']');
  }

  uint64_t integer() {
    space();
    size_t begin = at_;
    uint64_t n = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_)
      if (__builtin_mul_overflow(n, uint64_t(10), &n) ||
          __builtin_add_overflow(n, uint64_t(text_[at_] - '0'), &n))
        bad("a number is too large");
    if (at_ == begin || (text_[begin] == '0' && at_ > begin + 1)) bad("expected a whole number");
    return n;
  }

  uint32_t hex4() {
    uint32_t v = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      char c = at_ < text_.size() ? text_[at_] : ' ';
      if (c >= '0' && c <= '9') v = v * 16 + uint32_t(c - '0');
      else if (c >= 'a' && c <= 'f') v = v * 16 + uint32_t(c - 'a' + 10);
      else if (c >= 'A' && c <= 'F') v = v * 16 + uint32_t(c - 'A' + 10);
      else bad("expected four hexadecimal digits after \\u");
    }
    return v;
  }

  void append_utf8(std::string& out, uint32_t c) {
    if (c < 0x80) {
      out += char(c);
    } else if (c < 0x800) {
      out += char(0xc0 | c >> 6), out += char(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
      out += char(0xe0 | c >> 12), out += char(0x80 | (c >> 6 & 0x3f)),
          out += char(0x80 | (c & 0x3f));
    } else {
      out += char(0xf0 | c >> 18), out += char(0x80 | (c >> 12 & 0x3f)),
          out += char(0x80 | (c >> 6 & 0x3f)), out += char(0x80 | (c & 0x3f));
    }
  }

  std::string string() {
    expect('"');
    std::string out;
    for (;;) {
      if (at_ >= text_.size()) bad("a string does not end");
      char c = text_[at_++];
      if (c == '"') return out;
      if (uint8_t(c) < 0x20) bad("a control character in a string");
      if (c != '\\') {
        out += c;
        continue;
      }
      char e = at_ < text_.size() ? text_[at_++] : ' ';
      constexpr std::string_view kLetters = "\"\\/bfnrt", kMeant = "\"\\/\b\f\n\r\t";
      if (size_t i = kLetters.find(e); i != kLetters.npos) {
        out += kMeant[i];
      } else if (e == 'u') {
        uint32_t code = hex4();
        if (code >= 0xd800 && code <= 0xdbff) {  // the first half of a surrogate pair
          if (text_.substr(at_, 2) != "\\u") bad("half of a surrogate pair");
          at_ += 2;
          uint32_t low = hex4();
          if (low < 0xdc00 || low > 0xdfff) bad("half of a surrogate pair");
          code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        } else if (code >= 0xdc00 && code <= 0xdfff) {
          bad("half of a surrogate pair");
        }
        append_utf8(out, code);
      } else {
        bad("an unknown escape in a string");
      }
    }
  }

  void check_name(const std::string& name) {
    if (name.empty() || name.size() > SafetensorsLimits::kNameBytes)
      bad("a tensor's name must have 1 to ", SafetensorsLimits::kNameBytes, " bytes");
    for (char c : name)
      if (uint8_t(c) < 0x20 || c == 0x7f) bad("a control character in a tensor's name");
  }

  SafetensorsEntry entry(const std::string& name) {
    SafetensorsEntry e{nullptr, {}, 0, 0};
    bool has_shape = false, has_offsets = false;
    object([&](const std::string& key) {
      if (key == "dtype" && !e.stored) {
        std::string dtype = string();
        e.stored = stored_dtype(dtype);
        if (!e.stored) bad(name, " has elements of type ", dtype, ", which is not supported");
      } else if (key == "shape" && !has_shape) {
        has_shape = true;
        array([&] {
          uint64_t d = integer();
          if (d > INT_MAX || e.shape.rank() == Shape::kMaxRank)
            bad(name, ": at most ", Shape::kMaxRank, " dimensions of at most ", INT_MAX);
          e.shape.push_back(int(d));
        });
      } else if (key == "data_offsets" && !has_offsets) {
        has_offsets = true;
        expect('['), e.begin = integer();
        expect(','), e.end = integer();
        expect(']');
      } else {
        bad(name, " has an unknown or repeated key ", key);
      }
    });
    if (!e.stored || !has_shape || !has_offsets)
      bad(name, " must have dtype, shape and data_offsets");
    uint64_t bytes = e.stored->bytes;
    for (int d : e.shape)
      if (__builtin_mul_overflow(bytes, uint64_t(d), &bytes)) bad(name, " is too large");
    if (e.begin > e.end || e.end > data_bytes_ || e.end - e.begin != bytes)
      bad(name, " needs ", bytes, " bytes, its offsets are ", e.begin, " to ", e.end, " of ",
          data_bytes_);
    return e;
  }

  // In the order of their offsets the tensors follow each other from 0 to the end of the data.
  void check_cover(const SafetensorsHeader& header) {
    std::vector<std::pair<uint64_t, uint64_t>> spans;
    for (auto& [name, e] : header.tensors) spans.emplace_back(e.begin, e.end);
    std::sort(spans.begin(), spans.end());
    uint64_t covered = 0;
    for (auto [begin, end] : spans) {
      if (begin != covered)
        bad(begin < covered ? "two tensors overlap" : "a hole between tensors", " at data byte ",
            begin);
      covered = end;
    }
    if (covered != data_bytes_)
      bad("the tensors end at data byte ", covered, ", the file has ", data_bytes_);
  }

  std::string_view text_;
  uint64_t data_bytes_;
  const std::string& file_;
  size_t at_ = 0;
};

std::string quoted(const std::string& text) {
  check(is_utf8(text), "safetensors: names and metadata must be UTF-8");
  std::string out = "\"";
  for (char c : text)
    if (c == '"' || c == '\\') {
      out += '\\', out += c;
    } else if (uint8_t(c) < 0x20) {
      constexpr char kHex[] = "0123456789abcdef";
      out += "\\u00", out += kHex[uint8_t(c) >> 4], out += kHex[c & 15];
    } else {
      out += c;
    }
  return out + '"';
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view json, uint64_t data_bytes,
                                           const std::string& file) {
  return Parser(json, data_bytes, file).parse();
}

std::string safetensors_header_text(const SafetensorsHeader& header) {
  std::string text = "{";
  if (!header.metadata.empty()) {
    text += "\"__metadata__\":{";
    for (auto& [key, value] : header.metadata)
      text += (text.back() == '{' ? "" : ",") + quoted(key) + ":" + quoted(value);
    text += "}";
  }
  for (auto& [name, e] : header.tensors) {
    text += (text.back() == '{' ? "" : ",") + quoted(name) + ":{\"dtype\":\"" + e.stored->name +
            "\",\"shape\":[";
    for (int i = 0; i < e.shape.rank(); ++i) text += (i ? "," : "") + std::to_string(e.shape[i]);
    text += "],\"data_offsets\":[" + std::to_string(e.begin) + "," + std::to_string(e.end) + "]}";
  }
  text += "}";
  text.resize((text.size() + 7) / 8 * 8, ' ');
  return text;
}

}  // namespace autodidact
