// A data set: samples by index, each an 8-bit RGB picture and a label. Everything that trains,
// judges or draws reads its samples through this.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>
#include "train/data/image.h"

namespace autodidact {

class Dataset {
 public:
  virtual ~Dataset() = default;

  virtual int64_t size() const = 0;
  virtual int side() const = 0;  // all pictures are side x side; 0: they differ
  virtual const std::vector<std::string>& classes() const = 0;  // empty: there are no labels
  virtual int label(int64_t i) const = 0;                       // index into classes(), or -1
  // Where sample i came from: "train/cat/7.jpg", "data_batch_1.bin[17]".
  virtual std::string name(int64_t i) const = 0;

  // The picture, from any thread. ErrorKind::data names the file where it is damaged. square as
  // in decode_image.
  virtual Image image(int64_t i, int square = 0) const = 0;
  // [side, side, 3] where the picture lies in memory ready to be copied, else null.
  virtual const uint8_t* pixels(int64_t) const { return nullptr; }

  // The order in which the samples are trained on in an epoch: any, unless the disk prefers one.
  virtual std::vector<int64_t> order(uint64_t seed, uint32_t epoch) const;

  // Changes when a file is added, removed, renamed or rewritten: compared when a run is resumed.
  virtual uint64_t manifest() const = 0;
  virtual std::string describe() const = 0;                      // one line for people
  virtual std::vector<std::string> notes() const { return {}; }  // what was left out, and why
};

using DatasetPtr = std::shared_ptr<const Dataset>;

struct SourceOptions {
  std::string split = "";  // used where SRC names none: "train", "test", "val", "test2" (world)
  int side = 0;            // world: the side to draw at (0: 32)
  int64_t size = 0;        // world: pictures in the split (0: its own default)
  uint64_t seed = 0;       // world
};

// out [side, side, 3]: sample i's central square, by the bytes that a network is given. Damage as
// in Dataset::image.
void load_square(uint8_t* out, const Dataset& data, int64_t i, int side);

// SRC: world[:SPLIT] | cifar10:DIR[:SPLIT] | shards:DIR[:SPLIT] | shards:PATTERN | x.npy[,y.npy] |
// DIR[:SPLIT]. Arrays, and a folder without train, test and val sub-folders, are not divided: they
// serve as "train" and as "".
DatasetPtr open_dataset(const std::string& source, const SourceOptions& options = {});
// SRC taken apart: "photos:val" is {"photos", "val"}. split: "" where SRC names none.
struct NamedSplit {
  std::string source, split;
};
NamedSplit named_split(const std::string& source);
// Does SRC have this split (or name it itself)? "": is it not divided?
bool has_split(const std::string& source, const std::string& split);

// The kinds, for code that knows which it wants.
DatasetPtr open_world(const std::string& split, const SourceOptions& options);
DatasetPtr open_cifar10(const std::string& folder, const std::string& split);
DatasetPtr open_image_folder(const std::string& folder, const std::string& split);
DatasetPtr open_shards(const std::string& folder, const std::string& split);
DatasetPtr open_npy(const std::string& images, const std::string& labels);  // labels may be ""

// ---- parts of a data set

// The samples with these indices, in this order.
DatasetPtr subset(DatasetPtr data, std::vector<int64_t> indices, std::string what);

struct HoldOut {
  DatasetPtr kept, held;
};
// n samples (-1: 10 %, rounded) chosen by seed; both parts keep the order of the whole.
HoldOut hold_out(DatasetPtr data, int64_t n, uint64_t seed);

// k samples of each class chosen by seed. ErrorKind::data where a class has fewer.
DatasetPtr few_labels(DatasetPtr data, int64_t k, uint64_t seed);

// Every picture as its central square at side x side in memory (size * side * side * 3 bytes).
// Damaged pictures stay damaged: image(i) of the result gives their error.
DatasetPtr in_memory(DatasetPtr data, int side);
// The same where its pictures take at most 2 GiB so; otherwise they are decoded as they are needed.
DatasetPtr held_in_memory(DatasetPtr data, int side);

// A data set made of arrays: images [n, side, side, 3], labels [n] (or empty).
struct Samples {
  int side = 0;
  std::vector<uint8_t> images;
  std::vector<int32_t> labels;
  std::vector<std::string> classes;
};
DatasetPtr from_memory(Samples samples, std::string what);

}  // namespace autodidact
