// Which archives a source of shards means.
#pragma once
#include <string>
#include <vector>

namespace autodidact {

struct ShardNames {
  std::vector<std::string> paths;       // in the order in which they are read
  std::vector<std::string> compressed;  // names of archives beside them that are not read: x.tar.gz
};

// The *.tar files of a folder, in byte order. ErrorKind::data: it cannot be read.
ShardNames shards_in(const std::string& folder);

// Has a brace or a star, and is no file.
bool is_shard_pattern(const std::string& path);
// The archives that WebDataset's brace ranges name, train-{000000..000009}.tar, in the order
// written, each of which must be there; or those whose names a star stands in, in byte order.
// ErrorKind::data: a shard is missing, none fits, a range that is none.
ShardNames shards_named(const std::string& pattern);

// "a.tar.gz and 3 more are compressed: unpack them first"
std::string say_compressed(const std::vector<std::string>& names);

}  // namespace autodidact
