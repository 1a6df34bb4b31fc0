// Working memory on a disk: a tensor like any other that the arena knows nothing of, and that
// leaves nothing behind.
#include <doctest/doctest.h>
#include <filesystem>
#include "engine/tensor.h"
#include "kernels/types.h"
#include "tests/temporary_folder.h"

using namespace autodidact;

TEST_CASE("scratch file: holds what is written, and is no part of the arena or the folder") {
  TemporaryFolder folder;
  const std::string path = folder / "";
  const size_t before = cpu_memory()->in_use();
  Tensor t = empty_on_disk({1000, 1000}, Dtype::f32, path);
  CHECK(cpu_memory()->in_use() == before);
  CHECK(std::filesystem::is_empty(path));
  CHECK(*ptr<float>(t) == 0);
  fill(t, 3);
  Tensor rows = view_rows(t, 999, 1000);
  t = Tensor();
  CHECK(*ptr<float>(rows) == 3);  // a view keeps the memory
  CHECK(empty_on_disk({0, 4}, Dtype::f32, path).size() == 0);
}

TEST_CASE("scratch file: a folder that cannot hold it is named") {
  TemporaryFolder folder;
  const std::string none = folder / "none";
  CHECK_THROWS_WITH_AS(
      empty_on_disk({5}, Dtype::f32, none),
      (none + ": cannot hold 20 bytes of working memory: No such file or directory").c_str(),
      Error);
  CHECK_THROWS_WITH_AS(empty_on_disk({1 << 30, 1 << 20}, Dtype::f32, folder / ""),
                       doctest::Contains("cannot hold 4503599627370496 bytes"), Error);
  CHECK(std::filesystem::is_empty(folder / ""));
}
