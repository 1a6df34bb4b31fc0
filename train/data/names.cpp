#include "train/data/names.h"
#include <cstddef>
#include <cstdint>

namespace autodidact {
namespace {

// Length in bytes of the UTF-8 sequence at the start of s, or 0 where there is none (overlong
// forms, surrogates and code points above U+10FFFF included).
size_t utf8_length(std::string_view s) {
  auto byte = [&](size_t i) { return uint8_t(s[i]); };
  uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  size_t n = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || s.size() < n) return 0;
  uint32_t code = lead & (0xffu >> (n + 1));
  for (size_t i = 1; i < n; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3fu);
  }
  constexpr uint32_t kSmallest[5] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < kSmallest[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return 0;
  // C1 controls and the marks that turn the direction of text would disguise a name in a terminal.
  if (code < 0xa0 || (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069))
    return 0;
  return n;
}

}  // namespace

std::string printable(std::string_view name) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  while (!name.empty()) {
    uint8_t c = uint8_t(name[0]);
    size_t n = utf8_length(name);
    if (c == '\n') out += "\\n";
    else if (c == '\t') out += "\\t";
    else if (c == '\\') out += "\\\\";
    else if (n == 0 || c < 0x20 || c == 0x7f) out += {'\\', 'x', kHex[c >> 4], kHex[c & 15]};
    else out += name.substr(0, n);
    name.remove_prefix(n == 0 ? 1 : n);
  }
  return out;
}

}  // namespace autodidact
