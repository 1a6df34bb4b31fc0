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

// "a.tar.gz and 3 more are compressed: unpack them first"
std::string say_compressed(const std::vector<std::string>& names);

}  // namespace autodidact
