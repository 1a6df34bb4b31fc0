// POSIX.1-1988 (ustar) and POSIX.1-2001 (pax), "Interchange formats"; GNU tar manual, "Basic Tar
// Format". Blocks of 512 bytes: a header, then the content, filled up with zeros.
#include "train/data/tar.h"
#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <string_view>
#include <vector>
#include "engine/check.h"
#include "train/data/names.h"

namespace autodidact {
namespace {

constexpr int64_t kBlock = 512;
constexpr int64_t kLongestName = 64 << 10;  // bytes, of a long name or a pax header

using Header = std::array<uint8_t, size_t(kBlock)>;

bool all_zero(Bytes bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](uint8_t b) { return b == 0; });
}

class TarReader {
 public:
  explicit TarReader(const FileParts& archive) : archive_(archive) {}

  void read(const std::function<void(const TarFile&)>& found) {
    refuse_compressed();
    for (Header header; next(header);) {
      const char type = char(header[156]);
      int64_t size = size_of(header);
      const int64_t content = at_;
      if (type == 'L' || type == 'x' || type == 'g' || type == 'K') {  // of the file that follows
        const std::string text = text_of(content, size);
        if (type == 'L') long_name_ = text.substr(0, text.find('\0'));
        if (type == 'x') take_pax(text);
        skip(size);
        continue;
      }
      if (long_size_ >= 0) size = long_size_;
      if (type == 'S') damaged("a sparse file at byte ", content - kBlock, ", which is not read");
      TarFile file{long_name_.empty() ? name_of(header) : long_name_, content, size};
      long_name_.clear(), long_size_ = -1;
      last_ = file.name;
      const bool empty = type >= '1' && type <= '6';  // links, devices, folders
      skip(empty ? 0 : size);
      if (type == '0' || type == '\0' || type == '7') found(file);
    }
  }

 private:
  template <class... Parts>
  [[noreturn]] void damaged(const Parts&... parts) const {
    fail(ErrorKind::data, printable(archive_.path()), ": damaged tar archive: ", parts...);
  }
  [[noreturn]] void cut_short() const {
    fail(ErrorKind::data, printable(archive_.path()), ": this tar archive is cut short: it ends ",
         "after ", archive_.size(), " bytes, ",
         last_.empty() ? "before its first file" : "in or after " + printable(last_),
         ", without its end mark");
  }

  void refuse_compressed() const {
    uint8_t magic[4] = {};
    archive_.read(magic, 0, std::min<int64_t>(archive_.size(), 4));
    const bool gzip = magic[0] == 0x1f && magic[1] == 0x8b;
    if (gzip || std::memcmp(magic, "\x28\xb5\x2f\xfd", 4) == 0)
      fail(ErrorKind::data, printable(archive_.path()), ": this archive is compressed (",
           gzip ? "gzip" : "zstd", "); unpack it first");
  }

  // The next header; false at the end mark.
  bool next(Header& header) {
    if (at_ + kBlock > archive_.size()) cut_short();
    archive_.read(header.data(), at_, kBlock);
    if (all_zero({header.data(), header.size()})) {
      check_end();
      return false;
    }
    // The checksum counts its own field as spaces.
    uint64_t sum = 8 * ' ';
    for (size_t i = 0; i < header.size(); ++i) sum += i >= 148 && i < 156 ? 0 : header[i];
    if (sum != number(header, 148, 8))
      damaged("no header at byte ", at_, last_.empty() ? "" : ", after " + printable(last_));
    at_ += kBlock;
    return true;
  }
  // tar fills its last record up with zeros; anything else would be left out without a word.
  void check_end() const {
    std::vector<uint8_t> rest(64 << 10);
    for (int64_t from = at_ + kBlock; from < archive_.size(); from += int64_t(rest.size())) {
      const int64_t bytes = std::min(archive_.size() - from, int64_t(rest.size()));
      archive_.read(rest.data(), from, bytes);
      if (!all_zero({rest.data(), size_t(bytes)}))
        damaged("data behind the end mark at byte ", at_, " (archives are joined by tar -A)");
    }
  }
  void skip(int64_t size) {
    if (size > archive_.size() - at_) cut_short();
    at_ += (size + kBlock - 1) / kBlock * kBlock;
  }

  // Octal digits; or, where they do not suffice, GNU's binary: the top bit set, big-endian.
  static uint64_t number(const Header& header, size_t at, size_t width) {
    uint64_t value = 0;
    if (header[at] & 0x80) {
      for (size_t i = at + width - 8; i < at + width; ++i) value = value << 8 | header[i];
    } else {
      size_t i = at;
      while (i < at + width && header[i] == ' ') ++i;
      for (; i < at + width && header[i] >= '0' && header[i] <= '7'; ++i)
        value = value << 3 | uint64_t(header[i] - '0');
    }
    return value;
  }
  int64_t size_of(const Header& header) const {
    const uint64_t size = number(header, 124, 12);
    if (size >> 56) damaged("a size of ", size, " bytes at byte ", at_ - kBlock);
    return int64_t(size);
  }

  static std::string_view field(const Header& header, size_t at, size_t width) {
    const char* p = reinterpret_cast<const char*>(header.data()) + at;
    return {p, strnlen(p, width)};
  }
  static std::string name_of(const Header& header) {
    std::string name(field(header, 0, 100));
    // GNU's own format has times where ustar has the prefix.
    if (std::memcmp(header.data() + 257, "ustar\0", 6) == 0)
      if (std::string_view prefix = field(header, 345, 155); !prefix.empty())
        name = std::string(prefix) + "/" + name;
    return name;
  }

  std::string text_of(int64_t at, int64_t size) const {
    if (size > kLongestName) damaged("a name of ", size, " bytes at byte ", at);
    if (at + size > archive_.size()) cut_short();
    std::string text(size_t(size), '\0');
    archive_.read(reinterpret_cast<uint8_t*>(text.data()), at, size);
    return text;
  }
  // Records "LENGTH KEY=VALUE\n"; LENGTH counts all of the record.
  void take_pax(std::string_view text) {
    while (!text.empty()) {
      size_t length = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
      const size_t digits = size_t(end - text.data());
      if (error != std::errc() || length > text.size() || length < digits + 3)
        damaged("a pax header before byte ", at_, " is not one");
      const std::string_view record = text.substr(digits + 1, length - digits - 2);
      const size_t equals = std::min(record.find('='), record.size() - 1);
      const std::string_view key = record.substr(0, equals), value = record.substr(equals + 1);
      if (key == "path") long_name_ = value;
      if (key == "size") {
        const auto [last, wrong] =
            std::from_chars(value.data(), value.data() + value.size(), long_size_);
        if (wrong != std::errc() || last != value.data() + value.size() || long_size_ < 0)
          damaged("a pax header before byte ", at_, " has no size but ", printable(value));
      }
      text.remove_prefix(length);
    }
  }

  const FileParts& archive_;
  int64_t at_ = 0;
  std::string last_;       // the last file whose header was read
  std::string long_name_;  // of the next file; "": as in its header
  int64_t long_size_ = -1;
};

}  // namespace

void each_file_in_tar(const FileParts& archive, const std::function<void(const TarFile&)>& found) {
  TarReader(archive).read(found);
}

}  // namespace autodidact
