#include "tests/train/image_corpus.h"
#include <cstdio>
#include <jpeglib.h>
#include <png.h>
#include <unistd.h>
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include "kernels/philox.h"

namespace autodidact {
namespace {

// A TIFF block with one entry: orientation.
Encoded exif_block(int orientation, bool big_endian) {
  Encoded b;
  auto put = [&](uint32_t v, int bytes) {
    for (int i = 0; i < bytes; ++i)
      b.push_back(uint8_t(v >> (8 * (big_endian ? bytes - 1 - i : i))));
  };
  b.assign(2, big_endian ? 'M' : 'I');
  put(42, 2), put(8, 4), put(1, 2);
  put(0x0112, 2), put(3, 2), put(1, 4), put(uint32_t(orientation), 2), put(0, 2), put(0, 4);
  return b;
}

uint8_t luma(const uint8_t* p) { return uint8_t((p[0] * 299 + p[1] * 587 + p[2] * 114) / 1000); }

void put16(Encoded& b, int v) { b.push_back(uint8_t(v)), b.push_back(uint8_t(v >> 8)); }
void put32(Encoded& b, int v) { put16(b, v & 0xffff), put16(b, v >> 16); }

}  // namespace

Image test_picture(int height, int width, uint32_t seed) {
  Image image{height, width, std::vector<uint8_t>(size_t(height) * size_t(width) * 3)};
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c) {
        float a = float(seed % 7 + 1), v = 127.5f + 60 * std::sin(0.11f * float(x) * a + float(c)) +
                                           60 * std::cos(0.07f * float(y) + float(c * 2) * a);
        image.rgb[(size_t(y) * size_t(width) + size_t(x)) * 3 + size_t(c)] = uint8_t(v);
      }
  return image;
}

Encoded make_jpeg(const Image& image, const JpegForm& form) {
  jpeg_compress_struct c{};
  jpeg_error_mgr errors;
  c.err = jpeg_std_error(&errors);
  jpeg_create_compress(&c);
  unsigned char* out = nullptr;
  unsigned long bytes = 0;
  jpeg_mem_dest(&c, &out, &bytes);
  c.image_height = unsigned(image.height), c.image_width = unsigned(image.width);
  c.input_components = form.components;
  c.in_color_space = form.components == 1   ? JCS_GRAYSCALE
                     : form.components == 3 ? JCS_RGB
                                            : JCS_CMYK;
  jpeg_set_defaults(&c);
  if (form.components == 4) jpeg_set_colorspace(&c, form.ycck ? JCS_YCCK : JCS_CMYK);
  jpeg_set_quality(&c, form.quality, TRUE);
  if (form.progressive) jpeg_simple_progression(&c);
  jpeg_start_compress(&c, TRUE);
  if (form.orientation) {
    Encoded marker = {'E', 'x', 'i', 'f', 0, 0},
            block = exif_block(form.orientation, form.big_endian);
    marker.insert(marker.end(), block.begin(), block.end());
    jpeg_write_marker(&c, JPEG_APP0 + 1, marker.data(), unsigned(marker.size()));
  }
  Encoded row(size_t(image.width) * size_t(form.components));
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      const uint8_t* p = image.rgb.data() + (size_t(y) * size_t(image.width) + size_t(x)) * 3;
      uint8_t* to = row.data() + size_t(x) * size_t(form.components);
      if (form.components == 1) to[0] = luma(p);
      else std::memcpy(to, p, 3);
      if (form.components == 4) to[3] = 255;  // inverted: no black
    }
    JSAMPROW rows = row.data();
    jpeg_write_scanlines(&c, &rows, 1);
  }
  jpeg_finish_compress(&c);
  Encoded file(out, out + bytes);
  std::free(out);
  jpeg_destroy_compress(&c);
  return file;
}

Image jpeg_at(const Encoded& file, int eighths) {
  jpeg_decompress_struct c{};
  jpeg_error_mgr errors;
  c.err = jpeg_std_error(&errors);
  jpeg_create_decompress(&c);
  jpeg_mem_src(&c, file.data(), static_cast<unsigned long>(file.size()));
  jpeg_read_header(&c, TRUE);
  c.out_color_space = JCS_RGB;
  c.scale_num = unsigned(eighths), c.scale_denom = 8;
  jpeg_start_decompress(&c);
  Image image{int(c.output_height), int(c.output_width), {}};
  image.rgb.resize(size_t(image.height) * size_t(image.width) * 3);
  while (c.output_scanline < c.output_height) {
    JSAMPROW row = image.rgb.data() + size_t(c.output_scanline) * size_t(image.width) * 3;
    jpeg_read_scanlines(&c, &row, 1);
  }
  jpeg_finish_decompress(&c);
  jpeg_destroy_decompress(&c);
  return image;
}

Encoded make_png(const Image& image, const PngForm& form) {
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, nullptr, nullptr, nullptr);
  png_infop info = png_create_info_struct(png);
  Encoded file;
  png_set_write_fn(
      png, &file,
      [](png_structp p, png_bytep from, size_t n) {
        auto* to = static_cast<Encoded*>(png_get_io_ptr(p));
        to->insert(to->end(), from, from + n);
      },
      nullptr);
  constexpr int kColours[] = {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB,
                              PNG_COLOR_TYPE_RGBA, PNG_COLOR_TYPE_PALETTE};
  constexpr int kChannels[] = {1, 2, 3, 4, 1};
  const int channels = kChannels[form.colour];
  png_set_IHDR(png, info, png_uint_32(image.width), png_uint_32(image.height), form.bits,
               kColours[form.colour], form.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (form.colour == PngForm::palette) {
    png_color palette[256];
    int n = 1 << form.bits;
    for (int i = 0; i < n; ++i) {
      png_byte v = png_byte(i * 255 / (n - 1));
      palette[i] = {v, v, v};
    }
    png_set_PLTE(png, info, palette, n);
  }
  Encoded exif = exif_block(form.orientation, false);
  if (form.orientation) png_set_eXIf_1(png, info, png_uint_32(exif.size()), exif.data());
  png_write_info(png, info);
  png_set_packing(png);  // one value a byte below 8 bits
  const size_t depth = form.bits == 16 ? 2 : 1,
               row = size_t(image.width) * size_t(channels) * depth;
  Encoded rows(row * size_t(image.height));
  std::vector<png_bytep> pointers;
  for (int y = 0; y < image.height; ++y) {
    pointers.push_back(rows.data() + size_t(y) * row);
    for (int x = 0; x < image.width; ++x) {
      const uint8_t* p = image.rgb.data() + (size_t(y) * size_t(image.width) + size_t(x)) * 3;
      for (int c = 0; c < channels; ++c) {
        bool alpha = (channels == 2 || channels == 4) && c == channels - 1;
        int v = alpha ? 40 + (x + y) % 200 : channels <= 2 ? luma(p) : p[c];
        uint8_t* to = pointers.back() + size_t(x * channels + c) * depth;
        if (form.bits < 8) v >>= 8 - form.bits;
        to[0] = uint8_t(v);
        if (depth == 2) to[1] = uint8_t(v);
      }
    }
  }
  png_write_image(png, pointers.data());
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  return file;
}

Encoded make_bmp(const Image& image) {
  const int row = (image.width * 3 + 3) / 4 * 4;
  Encoded b = {'B', 'M'};
  put32(b, 54 + row * image.height), put32(b, 0), put32(b, 54);
  put32(b, 40), put32(b, image.width), put32(b, image.height), put16(b, 1), put16(b, 24);
  for (int i = 0; i < 6; ++i) put32(b, 0);
  for (int y = image.height - 1; y >= 0; --y)
    for (int i = 0; i < row; ++i) {
      size_t at = (size_t(y) * size_t(image.width) + size_t(i / 3)) * 3 + size_t(2 - i % 3);
      b.push_back(i < image.width * 3 ? image.rgb[at] : uint8_t(0));
    }
  return b;
}

Encoded make_tga(const Image& image, bool runs) {
  Encoded b = {0, 0, uint8_t(runs ? 10 : 2), 0, 0, 0, 0, 0, 0, 0, 0, 0};
  put16(b, image.width), put16(b, image.height), b.push_back(24), b.push_back(0x20);  // top first
  for (size_t i = 0; i < image.rgb.size(); i += 3) {
    if (runs) b.push_back(0x80);  // a run of one
    for (size_t c = 3; c-- > 0;) b.push_back(image.rgb[i + c]);
  }
  return b;
}

Encoded make_gif(int height, int width) {
  Encoded b = {'G', 'I', 'F', '8', '9', 'a'};
  put16(b, width), put16(b, height);
  b.insert(b.end(), {0x80, 0, 0, 10, 20, 30, 200, 210, 220});  // two colours
  b.push_back(',');
  put16(b, 0), put16(b, 0), put16(b, width), put16(b, height);
  b.push_back(0);
  b.push_back(2);  // codes: 0 1 colours, 4 clear, 5 end, 3 bits as long as the table is cleared
  Encoded bits;
  int held = 0, count = 0;
  auto put = [&](int code) {
    held |= code << count, count += 3;
    while (count >= 8) bits.push_back(uint8_t(held)), held >>= 8, count -= 8;
  };
  for (int i = 0; i < height * width; ++i) {
    if (i % 2 == 0) put(4);
    put(i % 3 == 0);
  }
  put(5);
  if (count) bits.push_back(uint8_t(held));
  for (size_t at = 0; at < bits.size(); at += 255) {
    size_t n = std::min<size_t>(255, bits.size() - at);
    b.push_back(uint8_t(n));
    b.insert(b.end(), bits.begin() + long(at), bits.begin() + long(at + n));
  }
  b.insert(b.end(), {0, ';'});
  return b;
}

Encoded make_pnm(const Image& image, bool grey, int largest) {
  std::string head = std::string(grey ? "P5" : "P6") + "\n# a comment\n" +
                     std::to_string(image.width) + " " + std::to_string(image.height) + "\n" +
                     std::to_string(largest) + "\n";
  Encoded b(head.begin(), head.end());
  for (size_t i = 0; i < image.rgb.size(); i += grey ? 3 : 1) {
    int v = (grey ? luma(&image.rgb[i]) : image.rgb[i]) * largest / 255;
    if (largest > 255) b.push_back(uint8_t(v >> 8));
    b.push_back(uint8_t(v));
  }
  return b;
}

namespace {

void put_block(Encoded& tar, const std::string& name, const Encoded& content, char type) {
  std::string header(512, '\0');
  auto put = [&](size_t at, const std::string& text) { header.replace(at, text.size(), text); };
  char size[13];
  std::snprintf(size, sizeof size, "%011o", unsigned(content.size()));
  put(0, name.substr(0, 100)), put(100, "0000644"), put(124, size), put(136, "00000000000");
  put(148, "        "), put(156, std::string(1, type)),
      put(257, std::string("ustar\0"
                           "00",
                           8));
  unsigned sum = 0;
  for (char c : header) sum += uint8_t(c);
  char octal[8];
  std::snprintf(octal, sizeof octal, "%06o", sum);
  put(148, octal);
  tar.insert(tar.end(), header.begin(), header.end());
  tar.insert(tar.end(), content.begin(), content.end());
  tar.resize((tar.size() + 511) / 512 * 512);
}

}  // namespace

Encoded make_tar(const std::vector<std::pair<std::string, Encoded>>& files, bool pax) {
  Encoded tar;
  for (auto& [name, content] : files) {
    if (name.size() > 100 && pax) {
      std::string record = " path=" + name + "\n";  // whose length counts its own digits
      record = std::to_string(record.size() + 3) + record;
      put_block(tar, "PaxHeader", Encoded(record.begin(), record.end()), 'x');
    } else if (name.size() > 100) {
      put_block(tar, "././@LongLink", Encoded(name.c_str(), name.c_str() + name.size() + 1), 'L');
    }
    put_block(tar, name, content, name.back() == '/' ? '5' : '0');
  }
  tar.resize(tar.size() + 1024);
  return tar;
}

Encoded cut(Encoded file, size_t bytes) {
  file.resize(std::min(file.size(), bytes));
  return file;
}

Distance distance(const Image& a, const Image& b) {
  if (a.height != b.height || a.width != b.width) return {1000, 1000};
  int most = 0;
  double sum = 0;
  for (size_t i = 0; i < a.rgb.size(); ++i) {
    int d = std::abs(a.rgb[i] - b.rgb[i]);
    most = std::max(most, d), sum += d;
  }
  return {most, sum / double(a.rgb.size())};
}

TestFolder::TestFolder() {
  path_ = (std::filesystem::temp_directory_path() / "autodidact-test-XXXXXX").string();
  if (!mkdtemp(path_.data())) throw std::runtime_error("no temporary folder");
}
TestFolder::~TestFolder() {
  std::error_code none;
  std::filesystem::remove_all(path_, none);
}
std::string TestFolder::add(const std::string& name, Bytes bytes) const {
  std::string file = path_ + "/" + name;
  std::filesystem::create_directories(std::filesystem::path(file).parent_path());
  write_bytes(file, bytes);
  return file;
}

}  // namespace autodidact
