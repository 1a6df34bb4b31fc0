// Writes the files that fuzzing starts from.   seeds FOLDER
#include <filesystem>
#include <string>
#include "tests/train/image_corpus.h"
#include "engine/safetensors.h"
#include "train/data/npy.h"

using namespace autodidact;

int main(int, char** argv) {
  const std::string images = std::string(argv[1]) + "/image/",
                    arrays = std::string(argv[1]) + "/npy/";
  std::filesystem::create_directories(images);
  std::filesystem::create_directories(arrays);
  const std::string weights = std::string(argv[1]) + "/safetensors/";
  std::filesystem::create_directories(weights);
  int count = 0;
  auto add = [&](Encoded file) {
    uint8_t choice = uint8_t(count % 8 < 4 ? count % 2 : 34 + count % 2);
    file.insert(file.begin(), choice);
    write_bytes(images + std::to_string(count++), file);
  };
  for (auto [height, width] : {std::pair{1, 1}, {9, 14}, {17, 33}}) {
    const Image picture = test_picture(height, width);
    for (bool progressive : {false, true}) {
      add(make_jpeg(picture, {.progressive = progressive}));
      add(make_jpeg(picture, {.components = 1, .progressive = progressive, .orientation = 6}));
      add(make_jpeg(picture, {.components = 4, .ycck = progressive, .big_endian = true}));
    }
    for (int bits : {1, 2, 4, 8, 16})
      for (bool interlaced : {false, true}) {
        add(make_png(picture, {bits, PngForm::grey, interlaced}));
        if (bits < 16) add(make_png(picture, {bits, PngForm::palette, interlaced}));
        if (bits >= 8) add(make_png(picture, {bits, PngForm::rgba, interlaced, 3}));
      }
    for (int i = 0; i < 2; ++i) {  // twice: under both names
      add(make_bmp(picture));
      add(make_gif(height, width));
    }
    for (bool runs : {false, true}) {
      Encoded tga = make_tga(picture, runs);
      tga.insert(tga.begin(), 1);
      write_bytes(images + "tga" + std::to_string(height) + (runs ? "r" : ""), tga);
    }
    for (int largest : {255, 1000}) {
      add(make_pnm(picture, true, largest));
      add(make_pnm(picture, false, largest));
    }
  }
  const std::string tars = std::string(argv[1]) + "/tar/";
  std::filesystem::create_directories(tars);
  const std::string long_name(120, 'x');
  for (bool pax : {false, true})
    write_bytes(
        tars + (pax ? "pax" : "gnu"),
        make_tar({{"folder/", {}}, {"folder/1.cls", {'7'}}, {long_name, Encoded(600, 1)}}, pax));
  write_bytes(tars + "empty", make_tar({}));
  const Encoded bytes(96, 7);
  write_npy(arrays + "a", "|u1", {2, 4, 4, 3}, bytes);
  write_npy(arrays + "b", "<i8", {12}, bytes);
  write_npy(arrays + "c", "<f4", {}, Bytes(bytes).first(4));
  TensorFile file;
  write_safetensors(weights + "none", file);
  for (Dtype d : {Dtype::f32, Dtype::bf16, Dtype::f64, Dtype::i32, Dtype::i64, Dtype::u8})
    file.tensors[std::string("layer.") + name(d)] = full({2, 1}, 1, d);
  file.tensors["count"] = full({}, 3, Dtype::i64);
  file.metadata = {{"note", "a \"quoted\" \\ line\n"}};
  write_safetensors(weights + "all", file);
  const std::string json =
      R"({"\u00e9\ud83d\ude42":{"dtype":"F16","shape":[1],"data_offsets":[0,2]},"b":{"shape":[2],"dtype":"BOOL","data_offsets":[2,4]}})";
  Encoded raw(8);
  for (size_t i = 0; i < 8; ++i) raw[i] = uint8_t(json.size() >> (8 * i));
  raw.insert(raw.end(), json.begin(), json.end());
  raw.insert(raw.end(), {0, 0x3c, 0, 1});
  write_bytes(weights + "escapes", raw);
}
