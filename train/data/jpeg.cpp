// JPEG by libjpeg-turbo. libjpeg reports errors by a callback that must not return; we leave it by
// longjmp, so the functions that call libjpeg hold no object with a destructor.
#include <csetjmp>
#include <cstdio>  // jpeglib.h needs FILE
#include <jerror.h>
#include <jpeglib.h>
#include <algorithm>
#include <cstring>
#include "train/data/decoders.h"

namespace autodidact {
namespace {

// libjpeg calls most damage a warning and goes on with grey blocks. These are the warnings about
// files whose pixels are all there.
bool harmless(int message) {
  return message == JWRN_EXTRANEOUS_DATA || message == JWRN_JFIF_MAJOR ||
         message == JWRN_ADOBE_XFORM || message == JWRN_NOT_SEQUENTIAL ||
         message == JWRN_TOO_MUCH_DATA || message == JWRN_BOGUS_ICC;
}

constexpr size_t kVector = 64;  // bytes, of the longest vector that libjpeg-turbo writes by

class JpegReader {
 public:
  explicit JpegReader(const ImageLimits& limits) : limits_(limits) {
    c.err = jpeg_std_error(&errors_);
    c.client_data = this;
    errors_.error_exit = [](j_common_ptr p) { leave(p); };
    errors_.emit_message = [](j_common_ptr p, int level) {
      if (level < 0 && !harmless(p->err->msg_code)) leave(p);
    };
    progress_.progress_monitor = [](j_common_ptr p) { self(p)->watch(); };
  }
  ~JpegReader() { jpeg_destroy_decompress(&c); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  bool read_header(Bytes bytes) {
    if (setjmp(jump_)) return false;
    jpeg_create_decompress(&c);
    c.progress = &progress_;
    // The coefficients of a progressive image of the largest size, 3 components of 2 bytes.
    c.mem->max_memory_to_use = long(limits_.pixels * 3 * 2 + (64 << 20));
    jpeg_mem_src(&c, bytes.data(), static_cast<unsigned long>(bytes.size()));
    jpeg_save_markers(&c, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&c, TRUE);
    return true;
  }
  bool start() {
    if (setjmp(jump_)) return false;
    jpeg_start_decompress(&c);
    return true;
  }
  // Only columns [left, left + width) will be looked at. They become wider: whole blocks are made.
  bool crop(unsigned& left, unsigned& width) {
    if (setjmp(jump_)) return false;
    jpeg_crop_scanline(&c, &left, &width);
    return true;
  }
  // rows: [height, width, output_components], those from `top` on, of each the columns from `left`
  // of what is decoded on; line: room for all of them.
  bool read_rows(uint8_t* rows, unsigned top, unsigned height, unsigned left, unsigned width,
                 uint8_t* line) {
    if (setjmp(jump_)) return false;
    const size_t pixel = size_t(c.output_components), row = size_t(width) * pixel;
    const bool whole = width == c.output_width;
    if (top > 0) jpeg_skip_scanlines(&c, top);
    while (c.output_scanline < top + height) {
      uint8_t* const place = rows + size_t(c.output_scanline - top) * row;
      JSAMPROW to = whole ? place : line;
      jpeg_read_scanlines(&c, &to, 1);
      if (!whole) std::memcpy(place, line + left * pixel, row);
    }
    // The last row is read so that the file is read to its end: damage is found there, too.
    if (const unsigned rest = c.output_height - c.output_scanline; rest > 0) {
      if (rest > 1) jpeg_skip_scanlines(&c, rest - 1);
      jpeg_read_scanlines(&c, &line, 1);
    }
    jpeg_finish_decompress(&c);
    return true;
  }

  jpeg_decompress_struct c{};
  char reason[JMSG_LENGTH_MAX] = "";

 private:
  static JpegReader* self(j_common_ptr p) { return static_cast<JpegReader*>(p->client_data); }
  [[noreturn]] static void leave(j_common_ptr p) {
    p->err->format_message(p, self(p)->reason);
    longjmp(self(p)->jump_, 1);
  }
  // Thousands of scans over a large picture would cost minutes; real files have about ten.
  void watch() {
    int64_t pixels = int64_t(c.image_width) * c.image_height;
    if (c.input_scan_number <= limits_.scans && c.input_scan_number * pixels <= limits_.pixels * 16)
      return;
    std::snprintf(reason, sizeof reason, "more than %d scans", c.input_scan_number - 1);
    longjmp(jump_, 1);
  }

  const ImageLimits& limits_;
  jpeg_error_mgr errors_{};
  jpeg_progress_mgr progress_{};
  jmp_buf jump_;
};

int orientation(const jpeg_decompress_struct& c) {
  for (auto* m = c.marker_list; m; m = m->next)
    if (m->marker == JPEG_APP0 + 1 && m->data_length > 6 && !std::memcmp(m->data, "Exif\0", 6))
      return exif_orientation({m->data + 6, m->data_length - 6});
  return 1;
}

// rgb: [pixels, 3]; cmyk: [pixels, 4]. Adobe's files store inks inverted (255: no ink).
void cmyk_to_rgb(uint8_t* rgb, const uint8_t* cmyk, size_t pixels, bool inverted) {
  for (size_t i = 0; i < pixels; ++i)
    for (size_t k = 0; k < 3; ++k) {
      int ink = cmyk[i * 4 + k], black = cmyk[i * 4 + 3];
      if (!inverted) ink = 255 - ink, black = 255 - black;
      rgb[i * 3 + k] = uint8_t((ink * black + 127) / 255);
    }
}

// libjpeg-turbo writes to places aligned to a vector past the caches (movntdq, jdcolext-avx2.asm),
// and a row that is copied on would come back from memory: one byte behind such a place.
uint8_t* cached_place(std::vector<uint8_t>& room) {
  const uintptr_t odd = reinterpret_cast<uintptr_t>(room.data()) % kVector;
  return room.data() + (kVector - odd) % kVector + 1;
}

// How many pixels at either end of the longer side nothing looks at when the central square is
// resized to `square`: the filter reaches half a step beyond it (resize.cpp).
unsigned beside_square(unsigned longer, unsigned shorter, int square) {
  const unsigned reach = shorter / unsigned(2 * square) + 2, beside = (longer - shorter) / 2;
  return beside > reach ? beside - reach : 0;
}

}  // namespace

Image decode_jpeg(Bytes bytes, const ImageLimits& limits, int square) {
  JpegReader jpeg(limits);
  auto& c = jpeg.c;
  if (!jpeg.read_header(bytes)) damaged("damaged JPEG: ", jpeg.reason);
  check_size(c.image_height, c.image_width, limits);

  const int turned = orientation(c);  // libjpeg drops the markers when it finishes
  bool inks = c.num_components == 4;
  c.out_color_space = inks ? JCS_CMYK : JCS_RGB;
  c.scale_denom = 8;
  unsigned shorter = std::min(c.image_height, c.image_width);
  for (c.scale_num = square > 0 ? 1 : 8; c.scale_num < 8; c.scale_num *= 2)
    if (shorter * c.scale_num / 8 >= unsigned(2 * square)) break;
  if (!jpeg.start()) damaged("damaged JPEG: ", jpeg.reason);

  const unsigned width = c.output_width, height = c.output_height;
  const unsigned left = square > 0 && width > height ? beside_square(width, height, square) : 0;
  const unsigned top = square > 0 && height > width ? beside_square(height, width, square) : 0;
  unsigned from = 0, wide = width;  // columns that are decoded
  // libjpeg's smooth upsampling lacks a neighbour at the edge of what it decodes.
  constexpr unsigned kEdge = 2;
  if (left > kEdge) {
    from = left - kEdge, wide = width - 2 * from;
    if (!jpeg.crop(from, wide)) damaged("damaged JPEG: ", jpeg.reason);
  }
  Image image{int(height - 2 * top), int(width - 2 * left), {}};
  const size_t pixels = size_t(image.height) * size_t(image.width);
  image.rgb.resize(pixels * 3);
  std::vector<uint8_t> cmyk(inks ? pixels * 4 : 0);
  std::vector<uint8_t> line(size_t(wide) * (inks ? 4 : 3) + kVector + 1);
  if (!jpeg.read_rows(inks ? cmyk.data() : image.rgb.data(), top, unsigned(image.height),
                      left - from, unsigned(image.width), cached_place(line)))
    damaged("damaged JPEG: ", jpeg.reason);
  if (inks) cmyk_to_rgb(image.rgb.data(), cmyk.data(), pixels, c.saw_Adobe_marker);
  return oriented(std::move(image), turned);
}

}  // namespace autodidact
