// PNG by libpng, read and written in memory. As in jpeg.cpp, libpng's errors are left by longjmp:
// the functions that call it hold no object with a destructor.
#include <png.h>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include "engine/check.h"
#include "train/data/decoders.h"

namespace autodidact {
namespace {

struct Failure {
  char reason[128] = "";
};

[[noreturn]] void leave(png_structp png, png_const_charp message) {
  auto* f = static_cast<Failure*>(png_get_error_ptr(png));
  std::snprintf(f->reason, sizeof f->reason, "%s", message);
  png_longjmp(png, 1);
}
void ignore(png_structp, png_const_charp) {}

class PngReader {
 public:
  explicit PngReader(Bytes bytes) : bytes_(bytes) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &failure_, leave, ignore);
    info_ = png_ ? png_create_info_struct(png_) : nullptr;
    if (!info_) fail(ErrorKind::failure, "libpng: cannot start (wrong version or no memory)");
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  bool read_header() {
    if (setjmp(png_jmpbuf(png_))) return false;
    png_set_read_fn(png_, this, [](png_structp png, png_bytep to, size_t n) {
      auto* self = static_cast<PngReader*>(png_get_io_ptr(png));
      if (n > self->bytes_.size()) png_error(png, "data end early");
      std::memcpy(to, self->bytes_.data(), n);
      self->bytes_ = self->bytes_.subspan(n);
    });
    // Larger sizes are reported by check_size, with the numbers.
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_chunk_malloc_max(png_, 4 << 20);  // of what compressed text and profiles expand to
    png_set_chunk_cache_max(png_, 100);
    png_read_info(png_, info_);
    height = png_get_image_height(png_, info_);
    width = png_get_image_width(png_, info_);
    return true;
  }
  // rows: [height, width, 3]
  bool read_rows(uint8_t* rows) {
    if (setjmp(png_jmpbuf(png_))) return false;
    png_set_expand(png_);  // palettes to RGB, 1, 2 and 4 bits to 8
    png_set_scale_16(png_);
    png_set_gray_to_rgb(png_);
    png_set_strip_alpha(png_);
    int passes = png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    if (png_get_rowbytes(png_, info_) != size_t(width) * 3) png_error(png_, "unknown pixel layout");
    for (int pass = 0; pass < passes; ++pass)
      for (png_uint_32 y = 0; y < height; ++y)
        png_read_row(png_, rows + size_t(y) * size_t(width) * 3, nullptr);
    png_read_end(png_, info_);
    return true;
  }
  int orientation() {
    png_bytep exif = nullptr;
    png_uint_32 bytes = 0;
    return png_get_eXIf_1(png_, info_, &bytes, &exif) ? exif_orientation({exif, bytes}) : 1;
  }
  const char* reason() const { return failure_.reason; }

  png_uint_32 height = 0, width = 0;

 private:
  Failure failure_;
  Bytes bytes_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

class PngWriter {
 public:
  PngWriter() {
    png_ = png_create_write_struct(PNG_LIBPNG_VER_STRING, &failure_, leave, ignore);
    info_ = png_ ? png_create_info_struct(png_) : nullptr;
    if (!info_) fail(ErrorKind::failure, "libpng: cannot start (wrong version or no memory)");
  }
  ~PngWriter() { png_destroy_write_struct(&png_, &info_); }
  PngWriter(const PngWriter&) = delete;
  PngWriter& operator=(const PngWriter&) = delete;

  bool write(const Image& image) {
    if (setjmp(png_jmpbuf(png_))) return false;
    png_set_write_fn(
        png_, &out,
        [](png_structp png, png_bytep from, size_t n) {
          auto* to = static_cast<std::vector<uint8_t>*>(png_get_io_ptr(png));
          to->insert(to->end(), from, from + n);
        },
        nullptr);
    png_set_IHDR(png_, info_, png_uint_32(image.width), png_uint_32(image.height), 8,
                 PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png_, info_);
    for (int y = 0; y < image.height; ++y)
      png_write_row(png_, image.rgb.data() + size_t(y) * size_t(image.width) * 3);
    png_write_end(png_, nullptr);
    return true;
  }
  const char* reason() const { return failure_.reason; }

  std::vector<uint8_t> out;

 private:
  Failure failure_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

// Chunks are a length, a name, the data and a checksum. libpng allocates what a length says (eXIf:
// up to 2 GiB) before it reads, so lengths are checked against the file first.
void check_chunks(Bytes file) {
  constexpr size_t kLongest = 4 << 20;  // of any chunk but pixels
  for (file = file.subspan(8); file.size() >= 12;) {
    size_t length = size_t(file[0]) << 24 | size_t(file[1]) << 16 | size_t(file[2]) << 8 | file[3];
    bool pixels = !std::memcmp(file.data() + 4, "IDAT", 4);
    if (length > file.size() - 12) break;
    if (length > kLongest && !pixels)
      damaged("damaged PNG: a chunk of ", length, " bytes, the limit is ", kLongest);
    if (!std::memcmp(file.data() + 4, "IEND", 4)) return;
    file = file.subspan(12 + length);
  }
  damaged("damaged PNG: data end early");
}

}  // namespace

Image decode_png(Bytes bytes, const ImageLimits& limits) {
  check_chunks(bytes);
  PngReader png(bytes);
  if (!png.read_header()) damaged("damaged PNG: ", png.reason());
  check_size(png.height, png.width, limits);
  Image image{int(png.height), int(png.width), {}};
  image.rgb.resize(size_t(image.height) * size_t(image.width) * 3);
  if (!png.read_rows(image.rgb.data())) damaged("damaged PNG: ", png.reason());
  return oriented(std::move(image), png.orientation());
}

std::vector<uint8_t> encode_png(const Image& image) {
  PngWriter png;
  if (!png.write(image)) fail(ErrorKind::failure, "encode_png: ", png.reason());
  return std::move(png.out);
}

}  // namespace autodidact
