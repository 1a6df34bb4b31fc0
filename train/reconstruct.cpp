#include "train/reconstruct.h"
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fmt/format.h>
#include "engine/safetensors.h"
#include "train/data/readable.h"
#include "train/run_directory.h"

namespace autodidact {
namespace {

constexpr int kKeptPictures = 8;

// f(pixels of a patch row in `image` order): calls f(offset, patch, row of the patch) for every row
// of pixels of every patch of picture n; a row is patch * channels numbers.
template <class F>
void for_patch_rows(const Shape& s, int n, int patch, F f) {
  for (int y = 0; y < s[1]; ++y)
    for (int x = 0; x < s[2]; x += patch)
      f(((int64_t(n) * s[1] + y) * s[2] + x) * s[3], y / patch * (s[2] / patch) + x / patch,
        y % patch);
}

bool hidden(const PatchMask& mask, int n, int patch) {
  return ptr<const int32_t>(mask.place)[n * mask.patches() + patch] < 0;
}

struct PatchMoments {
  std::vector<double> mean, deviation;  // a patch each; the deviation as patch_loss takes it
};

PatchMoments moments(const Tensor& images, int n, int patch) {
  const Shape& s = images.shape;
  const int patches = s[1] / patch * (s[2] / patch), row = patch * s[3], numbers = row * patch;
  PatchMoments m{std::vector<double>(size_t(patches)), std::vector<double>(size_t(patches))};
  const float* p = ptr<const float>(images);
  for_patch_rows(s, n, patch, [&](int64_t at, int i, int) {
    for (int k = 0; k < row; ++k) m.mean[size_t(i)] += double(p[at + k]) / numbers;
  });
  for_patch_rows(s, n, patch, [&](int64_t at, int i, int) {
    for (int k = 0; k < row; ++k)
      m.deviation[size_t(i)] += std::pow(double(p[at + k]) - m.mean[size_t(i)], 2);
  });
  for (double& d : m.deviation) d = std::sqrt(d / std::max(numbers - 1, 1) + 1e-6);
  return m;
}

// Every patch gets the visible ones' mean of both.
void spread_visible(PatchMoments& m, const PatchMask& mask, int n) {
  double mean = 0, deviation = 0, count = 0;
  for (size_t i = 0; i < m.mean.size(); ++i)
    if (!hidden(mask, n, int(i))) mean += m.mean[i], deviation += m.deviation[i], ++count;
  std::fill(m.mean.begin(), m.mean.end(), mean / count);
  std::fill(m.deviation.begin(), m.deviation.end(), deviation / count);
}

// Normalised images to [0, 1].
Tensor denormalized(const Tensor& images, const Normalization& by) {
  Tensor y = clone(images);
  float* p = ptr<float>(y);
  for (int64_t i = 0; i < y.size(); ++i) p[i] = p[i] * by.std[i % 3] + by.mean[i % 3];
  return y;
}

}  // namespace

Reconstruction reconstruct(const MaskedTraining& mae, const Tensor& images, const PatchMask& mask,
                           Statistics statistics) {
  const int patch = mae.model().patch();
  const Device device = mae.model().encoder->device();
  const PatchMask there{to_device(mask.visible, device), to_device(mask.place, device)};
  const Tensor made = detach(mae.model()(to_device(images, device), there));
  const Tensor prediction = cast(to_device(made, Device::cpu), Dtype::f32);
  const Tensor given = cast(images, Dtype::f32);
  const Shape& s = given.shape;
  const int row = patch * s[3], numbers = row * patch, rows = prediction.shape[1];
  const int prefix = rows - mask.patches();
  Tensor rebuilt = empty_like(given);
  const float* from = ptr<const float>(prediction);
  float* to = ptr<float>(rebuilt);
  for (int n = 0; n < s[0]; ++n) {
    PatchMoments m;
    if (mae.normalizes_pixels()) {
      m = moments(given, n, patch);
      if (statistics == Statistics::visible) spread_visible(m, mask, n);
    }
    for_patch_rows(s, n, patch, [&](int64_t at, int i, int y) {
      const float* patch_row = from + (int64_t(n) * rows + prefix + i) * numbers + y * row;
      for (int k = 0; k < row; ++k)
        to[at + k] = mae.normalizes_pixels()
                         ? float(patch_row[k] * m.deviation[size_t(i)] + m.mean[size_t(i)])
                         : patch_row[k];
    });
  }
  return {denormalized(given, mae.normalization()), denormalized(rebuilt, mae.normalization()),
          mask, patch};
}

double hidden_error(const Tensor& filled, const Tensor& truth, const PatchMask& mask, int patch) {
  const float *a = ptr<const float>(filled), *b = ptr<const float>(truth);
  const int row = patch * truth.shape[3];
  double sum = 0, count = 0;
  for (int n = 0; n < truth.shape[0]; ++n)
    for_patch_rows(truth.shape, n, patch, [&](int64_t at, int i, int) {
      if (!hidden(mask, n, i)) return;
      for (int k = 0; k < row; ++k) sum += std::pow(double(a[at + k]) - double(b[at + k]), 2);
      count += row;
    });
  return sum / count;
}

Tensor masked(const Tensor& truth, const PatchMask& mask, int patch, const Tensor& instead) {
  Tensor y = clone(truth);
  float* p = ptr<float>(y);
  const int row = patch * truth.shape[3];
  for (int n = 0; n < truth.shape[0]; ++n)
    for_patch_rows(truth.shape, n, patch, [&](int64_t at, int i, int) {
      if (!hidden(mask, n, i)) return;
      for (int k = 0; k < row; ++k) p[at + k] = instead ? ptr<const float>(instead)[at + k] : 0.5f;
    });
  return y;
}

Image image_of(const Tensor& pictures, int n) {
  const Shape& s = pictures.shape;
  const int64_t values = int64_t(s[1]) * s[2] * 3;
  const float* from = ptr<const float>(pictures) + n * values;
  Image image{s[1], s[2], std::vector<uint8_t>(size_t(values))};
  for (int64_t i = 0; i < values; ++i)
    image.rgb[size_t(i)] = uint8_t(std::clamp(std::lround(from[i] * 255), 0l, 255l));
  return image;
}

Tensor first_pictures(const Dataset& data, int count, int side, const Normalization& n,
                      Dtype dtype) {
  count = int(std::min<int64_t>(count, data.size()));
  const size_t values = size_t(side) * size_t(side) * 3;
  std::vector<uint8_t> pixels(size_t(count) * values);
  for (int i = 0; i < count; ++i) load_square(&pixels[size_t(i) * values], data, i, side);
  return normalize(pixels.data(), count, side, n, dtype);
}

void keep_reconstruction(const MaskedTraining& mae, const DatasetPtr& data, int64_t epoch,
                         uint64_t seed, Dtype dtype, const std::string& folder) {
  const int side = mae.model().encoder->grid * mae.model().patch();
  std::vector<BadFile> left_out;
  const DatasetPtr readable = first_readable(data, kKeptPictures, 1, left_out);
  Tensor images = first_pictures(*readable, kKeptPictures, side, mae.normalization(), dtype);
  std::vector<int64_t> indices;
  for (int i = 0; i < images.shape[0]; ++i) indices.push_back(i);
  const int patches = mae.model().patches();
  Reconstruction r =
      reconstruct(mae, images,
                  draw_mask(indices, patches, kept_patches(patches, mae.mask_ratio()), seed,
                            uint32_t(Stream::mask), 0));
  TensorFile file;
  file.tensors = {{"truth", r.truth}, {"rebuilt", r.rebuilt}, {"place", r.mask.place}};
  file.metadata = {{"epoch", std::to_string(epoch)},
                   {"patch", std::to_string(r.patch)},
                   {"pixels", mae.normalizes_pixels() ? "normalised" : "plain"}};
  std::filesystem::create_directories(folder);
  write_safetensors(fmt::format("{}/epoch-{:05}.safetensors", folder, epoch), file, {},
                    [](const std::string& written) { read_safetensors(written); });
}

ImageGrid over_epochs(const std::string& folder) {
  const std::vector<std::string> paths = kept_reconstructions(folder);
  if (paths.empty())
    fail(ErrorKind::data, folder, ": holds no reconstructions; `train mae` keeps them where there ",
         "is a test split");
  ImageGrid grid;
  grid.columns = int(paths.size()) + 2;
  std::string subtitle;
  for (size_t column = 0; column < paths.size(); ++column) {
    TensorFile file = read_safetensors(paths[column]);
    auto tensor = [&](const char* name) {
      auto found = file.tensors.find(name);
      if (found == file.tensors.end())
        fail(ErrorKind::data, paths[column], ": is not a reconstruction: no ", name);
      return found->second;
    };
    const Tensor truth = tensor("truth"), rebuilt = tensor("rebuilt");
    const PatchMask mask{tensor("place"), tensor("place")};
    const int patch = std::stoi(file.metadata["patch"]);
    if (column == 0) {
      grid.cells.resize(size_t(truth.shape[0]) * size_t(grid.columns));
      grid.column_heads = {"visible"};
      subtitle = file.metadata["pixels"] == "plain"
                     ? "visible patches pasted; the network rebuilds plain pixels"
                     : "visible patches pasted; normalised patches shown with the mean and "
                       "deviation of the visible ones";
    }
    const Tensor pasted = masked(truth, mask, patch, rebuilt), grey = masked(truth, mask, patch);
    grid.column_heads.push_back(fmt::format("{} · {:.4f}", file.metadata["epoch"],
                                            hidden_error(rebuilt, truth, mask, patch)));
    for (int n = 0; n < truth.shape[0]; ++n) {
      const size_t row = size_t(n) * size_t(grid.columns);
      grid.cells[row + column + 1].image = image_of(pasted, n);
      if (column == 0) grid.cells[row].image = image_of(grey, n);
      if (column + 1 == paths.size()) grid.cells[row + column + 2].image = image_of(truth, n);
    }
  }
  grid.column_heads.push_back("truth");
  grid.title = "Reconstruction against epochs";
  grid.subtitle = "epoch · mean squared error of the hidden pixels in [0, 1]; " + subtitle;
  return grid;
}

}  // namespace autodidact
