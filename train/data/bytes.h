// Whole files in and out of memory, with the reason when that fails.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace autodidact {

using Bytes = std::span<const uint8_t>;

// The content of a regular file of at most max_bytes. ErrorKind::data: missing, unreadable, not a
// regular file, too large, or changed in size while it was read.
std::vector<uint8_t> read_bytes(const std::string& path, int64_t max_bytes);

// Writes or replaces path. ErrorKind::failure where the disk does not take it all.
void write_bytes(const std::string& path, Bytes bytes);

}  // namespace autodidact
