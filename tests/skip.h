// Tests that need something that is not everywhere (real data, a peer program) end early by name:
// tools/test.sh counts and prints the lines.
#pragma once
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

inline void skipped(const char* name, const std::string& reason) {
  std::fprintf(stderr, "SKIPPED: %s: %s\n", name, reason.c_str());
}

// The folder `what` below AUTODIDACT_DATA, or "" after saying that the test `name` is skipped.
inline std::string real_data(const char* name, const std::string& what) {
  const char* root = std::getenv("AUTODIDACT_DATA");
  if (!root || !*root) {
    skipped(name, "AUTODIDACT_DATA names no folder with " + what);
    return "";
  }
  std::string path = std::string(root) + "/" + what;
  std::error_code none;
  if (std::filesystem::exists(path, none)) return path;
  skipped(name, "there is no " + path);
  return "";
}
