#include "train/evaluate/features.h"
#include <algorithm>
#include "train/evaluate/map_pooling.h"

namespace autodidact {
namespace {

constexpr int kBatch = 128;

// The index of each block in the encoder; block_count() is the pooled output.
std::vector<int> places_of(const Encoder& encoder, const std::vector<std::string>& blocks) {
  std::vector<std::string> names = encoder.block_names();
  names.push_back(kPooled);
  std::vector<int> places;
  for (const std::string& block : blocks) {
    auto found = std::find(names.begin(), names.end(), block);
    if (found == names.end()) {
      std::string known;
      for (const std::string& name : names) known += " " + name;
      fail(ErrorKind::usage, "features: a block of this network is one of", known, ", got ", block);
    }
    places.push_back(int(found - names.begin()));
  }
  return places;
}

// The outputs at these places, in their order; nothing beyond the last block that is wanted is run.
std::vector<Tensor> outputs_at(const Encoder& encoder, const Tensor& images,
                               const std::vector<int>& places) {
  const int count = encoder.block_count();
  const int last = std::min(count - 1, *std::max_element(places.begin(), places.end()));
  std::vector<Tensor> wanted(places.size());
  Tensor x = images;
  for (int i = 0; i <= last; ++i) {
    x = encoder.block(i, x);
    for (size_t p = 0; p < places.size(); ++p) {
      if (places[p] == i) wanted[p] = encoder.map(x);
      if (places[p] == count && i == count - 1) wanted[p] = encoder.pool(x);
    }
  }
  return wanted;
}

Tensor black_picture(int side, Device device) {
  return zeros({1, side, side, 3}, Dtype::f32, device);
}

}  // namespace

Features features_of(const Subject& subject, const DatasetPtr& data,
                     const std::vector<std::string>& blocks, const Pooling& pooling) {
  check(!blocks.empty(), "features: at least one block must be asked for, got none");
  const std::vector<int> places = places_of(*subject.encoder, blocks);
  const int64_t n = data->size();
  check(n > 0 && n < (int64_t(1) << 31),
        "features: the data must have 1 .. 2^31 - 1 pictures, got ", n);
  LoaderOptions options;
  options.batch = kBatch, options.side = subject.side, options.shuffle = false,
  options.drop_last = options.replace_damaged = false, options.bad_cap = subject.bad_cap;
  Loader loader(data, options);
  Features f;
  f.labels.reserve(size_t(n)), f.samples.reserve(size_t(n));
  int64_t done = 0;
  for (int64_t i = 0; i < loader.batches_per_epoch(); ++i) {
    const Batch& batch = loader.next();
    if (batch.count == 0) continue;  // all damaged
    Tensor images = normalize(batch.images.data(), batch.count, batch.side, subject.normalization,
                              Dtype::f32, subject.device);
    std::vector<Tensor> outputs = outputs_at(*subject.encoder, images, places);
    for (size_t b = 0; b < blocks.size(); ++b) {
      const Tensor y = to_device(outputs[b], Device::cpu);
      if (f.blocks.size() == b) {
        const int grid = grid_for(y.shape, pooling.most_grid, pooling.most_dims);
        f.blocks.push_back({blocks[b], Shape(y.shape.begin() + 1, y.shape.end()), grid,
                            empty({int(n), grid * grid * y.shape.back()})});
      }
      BlockFeatures& block = f.blocks[b];
      const int dims = block.x.shape[1];
      average_to_grid(ptr<float>(block.x) + done * dims, dims, y, block.grid);
    }
    f.labels.insert(f.labels.end(), batch.labels.begin(), batch.labels.end());
    f.samples.insert(f.samples.end(), batch.samples.begin(), batch.samples.end());
    done += batch.count;
  }
  f.bad_files = loader.bad_files();
  if (done == 0)  // the cap may allow that
    fail(ErrorKind::data, "features: no picture of ", data->describe(), " can be read");
  for (BlockFeatures& b : f.blocks)
    if (done < n) b.x = view_rows(b.x, 0, int(done));
  return f;
}

DatasetPtr pictures_of(const Features& features, const DatasetPtr& data) {
  if (int64_t(features.samples.size()) == data->size()) return data;
  return subset(data, features.samples,
                std::to_string(features.samples.size()) + " readable pictures");
}

SplitFeatures features_of(const Subject& subject, const DatasetPtr& train, const DatasetPtr& test,
                          const std::vector<std::string>& blocks, const Pooling& pooling) {
  return {features_of(subject, train, blocks, pooling),
          features_of(subject, test, blocks, pooling)};
}

size_t SplitFeatures::find(const std::string& block) const {
  for (size_t b = 0; b < train.blocks.size(); ++b)
    if (train.blocks[b].block == block) return b;
  fail(ErrorKind::failure, "features: block ", block, " was not gathered");
}

std::vector<std::vector<std::string>> groups_in_memory(const Subject& subject, int64_t samples,
                                                       const std::vector<std::string>& blocks,
                                                       const Pooling& pooling) {
  constexpr int64_t kBytes = int64_t(1) << 30;
  std::vector<Tensor> outputs =
      outputs_at(*subject.encoder, black_picture(subject.side, subject.device),
                 places_of(*subject.encoder, blocks));
  std::vector<std::vector<std::string>> groups;
  int64_t bytes = 0;
  for (size_t b = 0; b < blocks.size(); ++b) {
    const Shape& map = outputs[b].shape;
    const int64_t grid = grid_for(map, pooling.most_grid, pooling.most_dims);
    const int64_t more = samples * grid * grid * map.back() * 4;
    if (groups.empty() || bytes + more > kBytes) groups.emplace_back(), bytes = 0;
    groups.back().push_back(blocks[b]);
    bytes += more;
  }
  return groups;
}

bool estimate_batch_statistics(Encoder& encoder, const Subject& subject, const DatasetPtr& train,
                               uint64_t seed) {
  set_training(encoder, false);
  const auto tensors = named_tensors(encoder);
  const bool has_any = std::any_of(tensors.begin(), tensors.end(), [](const NamedTensor& t) {
    return t.role == Role::buffer && t.name.ends_with("running_mean");
  });
  if (!has_any) return false;
  LoaderOptions options;
  options.batch = int(std::min<int64_t>(kBatch, train->size())), options.side = subject.side,
  options.seed = seed, options.bad_cap = subject.bad_cap;
  Loader loader(train, options);
  set_training(encoder, true);
  for (int i = 0; i < 64; ++i) {
    const Batch& batch = loader.next();
    encoder.features(normalize(batch.images.data(), batch.count, batch.side, subject.normalization,
                               Dtype::f32, subject.device));
  }
  set_training(encoder, false);
  return true;
}

}  // namespace autodidact
