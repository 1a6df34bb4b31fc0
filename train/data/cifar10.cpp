// CIFAR-10's official binary files: records of 1 label byte and 3,072 pixel bytes, the 32 x 32
// planes of red, green and blue one after the other (Krizhevsky 2009,
// https://www.cs.toronto.edu/~kriz/cifar.html).
#include <filesystem>
#include "engine/check.h"
#include "train/data/bytes.h"
#include "train/data/dataset.h"
#include "train/data/names.h"

namespace autodidact {
namespace {

namespace fs = std::filesystem;

constexpr int kSide = 32, kPlane = kSide * kSide, kRecord = 1 + 3 * kPlane, kPerFile = 10000;

std::vector<std::string> class_names(const std::string& folder) {
  std::vector<std::string> names;
  std::error_code none;
  std::string path = folder + "/batches.meta.txt";
  if (fs::exists(path, none)) {
    std::string line;
    for (uint8_t c : read_bytes(path, 1 << 16)) {
      if (c == '\n' && !line.empty()) names.push_back(line);
      if (c == '\n') line.clear();
      else if (c != '\r') line += char(c);
    }
    if (!line.empty()) names.push_back(line);
  }
  if (names.size() != 10)
    names = {"airplane", "automobile", "bird",  "cat",  "deer",
             "dog",      "frog",       "horse", "ship", "truck"};
  return names;
}

void append(Samples& samples, const std::string& path) {
  auto bytes = read_bytes(path, int64_t(1) << 30);
  if (bytes.size() != size_t(kPerFile) * kRecord)
    fail(ErrorKind::data, printable(path), ": has ", bytes.size(), " bytes, a CIFAR-10 batch has ",
         kPerFile * kRecord, " (10,000 records of 3,073); download or unpack it again");
  for (size_t n = 0; n < kPerFile; ++n) {
    const uint8_t* record = bytes.data() + n * kRecord;
    if (record[0] > 9)
      fail(ErrorKind::data, printable(path), ": record ", n, " has label ", int(record[0]),
           ", labels are 0 to 9: this is not CIFAR-10, or the file is damaged");
    samples.labels.push_back(record[0]);
    size_t at = samples.images.size();
    samples.images.resize(at + 3 * kPlane);
    for (size_t i = 0; i < kPlane; ++i)
      for (size_t c = 0; c < 3; ++c) samples.images[at + i * 3 + c] = record[1 + c * kPlane + i];
  }
}

}  // namespace

DatasetPtr open_cifar10(const std::string& folder, const std::string& split) {
  if (!split.empty() && split != "train" && split != "test")
    fail(ErrorKind::data, "cifar10: has the splits train and test, not '", printable(split), "'");
  std::error_code none;
  std::string at = folder;
  if (!fs::is_directory(at, none))
    fail(ErrorKind::data, "cifar10: ", printable(folder), " is not a folder");
  if (!fs::exists(at + "/test_batch.bin", none) && fs::is_directory(at + "/cifar-10-batches-bin"))
    at += "/cifar-10-batches-bin";
  std::vector<std::string> files;
  if (split == "test") files = {"test_batch.bin"};
  else
    for (int i = 1; i <= 5; ++i) files.push_back("data_batch_" + std::to_string(i) + ".bin");
  for (auto& f : files)
    if (!fs::exists(at + "/" + f, none))
      fail(ErrorKind::data, "cifar10: ", printable(at), " has no ", f, ": data_batch_1.bin to ",
           "data_batch_5.bin and test_batch.bin were expected",
           fs::exists(at + "/data_batch_1", none)
               ? "; this is the Python version, the binary version is needed"
               : " (unpack cifar-10-binary.tar.gz)");
  Samples samples{kSide, {}, {}, class_names(at)};
  samples.images.reserve(files.size() * kPerFile * 3 * kPlane);
  for (auto& f : files) append(samples, at + "/" + f);
  return from_memory(std::move(samples),
                     "cifar10 " + std::string(split == "test" ? "test" : "train"));
}

}  // namespace autodidact
