// JPEG files out, with libjpeg-turbo's defaults.
#include <cstdio>
#include <cstdlib>
#include <jpeglib.h>
#include "engine/check.h"
#include "train/data/image_file.h"

namespace autodidact {

std::vector<uint8_t> encode_jpeg(const Image& image, int quality) {
  check(quality >= 1 && quality <= 100, "encode_jpeg: quality must be 1 to 100, got ", quality);
  check(image.height > 0 && image.height <= JPEG_MAX_DIMENSION && image.width > 0 &&
            image.width <= JPEG_MAX_DIMENSION,
        "encode_jpeg: a side has 1 to ", JPEG_MAX_DIMENSION, " pixels, got ", image.height, " x ",
        image.width);
  jpeg_compress_struct c{};
  jpeg_error_mgr errors{};
  c.err = jpeg_std_error(&errors);  // it ends the process: only memory can fail from here on
  jpeg_create_compress(&c);
  unsigned char* out = nullptr;
  unsigned long bytes = 0;
  jpeg_mem_dest(&c, &out, &bytes);
  c.image_width = unsigned(image.width), c.image_height = unsigned(image.height);
  c.input_components = 3, c.in_color_space = JCS_RGB;
  jpeg_set_defaults(&c);
  jpeg_set_quality(&c, quality, TRUE);
  jpeg_start_compress(&c, TRUE);
  while (c.next_scanline < c.image_height) {
    auto* row =
        const_cast<uint8_t*>(image.rgb.data()) + size_t(c.next_scanline) * size_t(image.width) * 3;
    jpeg_write_scanlines(&c, &row, 1);
  }
  jpeg_finish_compress(&c);
  std::vector<uint8_t> file(out, out + bytes);
  jpeg_destroy_compress(&c);
  std::free(out);
  return file;
}

}  // namespace autodidact
