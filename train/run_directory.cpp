#include "train/run_directory.h"
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include "engine/durable_file.h"
#include "train/environment.h"

namespace autodidact {
namespace fs = std::filesystem;
namespace {

constexpr const char* kLock = ".lock";
constexpr const char* kOwnFiles[] = {"config.toml",      "metrics.jsonl", "log.txt",
                                     "environment.json", "bad_files.txt", "report.html"};

bool is_empty_but_for_lock(const fs::path& path) {
  std::error_code none;
  for (auto& entry : fs::directory_iterator(path, none))
    if (entry.path().filename() != kLock) return false;
  return true;
}

std::string holder(const fs::path& lock) {
  std::error_code none;
  if (!fs::is_regular_file(lock, none)) return "another process";
  std::string text = read_text(lock.string(), 4096);
  std::replace_if(
      text.begin(), text.end(), [](char c) { return uint8_t(c) < 0x20; }, ' ');
  return text.empty() ? "another process" : "the process " + text;
}

std::string host_name() {
  char host[256] = "";
  return gethostname(host, sizeof host - 1) == 0 ? host : "unknown host";
}

void remove_files(const fs::path& folder, bool (*ours)(const std::string& name)) {
  std::error_code none;
  if (fs::is_symlink(folder, none) || !fs::is_directory(folder, none)) return;
  for (auto& entry : fs::directory_iterator(folder))
    if (ours(entry.path().filename().string()) && !fs::is_directory(entry.symlink_status()))
      fs::remove(entry.path());
}

void remove_run(const fs::path& path) {
  for (const char* name : kOwnFiles) fs::remove(path / name);
  remove_files(path / "checkpoints", [](const std::string& name) {
    return name == "last" || name == "best" || name.rfind("step-", 0) == 0;
  });
  remove_files(path / "pictures", [](const std::string& name) { return name.ends_with(".png"); });
}

}  // namespace

RunDirectory::RunDirectory(const std::string& path, Existing existing)
    : path_(path), checkpoints_((fs::path(path) / "checkpoints").string()) {
  std::error_code error;
  const bool there = fs::exists(path, error);
  if (there && !fs::is_directory(path, error))
    fail(ErrorKind::usage, path, ": is a file, not a run directory");
  if (!there && existing == Existing::resume)
    fail(ErrorKind::usage, path, ": there is no run to resume");
  // A folder that is no run of ours is left alone, lock file and all.
  bool used = there && !is_empty_but_for_lock(path);
  if (used && !fs::exists(file(kLock), error) && !fs::exists(file("config.toml"), error))
    fail(ErrorKind::usage, path, ": holds something that is not a run; choose another --out");
  created_ = fs::create_directories(path, error);
  if (error) fail(ErrorKind::failure, path, ": cannot be created: ", error.message());

  lock_ = open(file(kLock).c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (lock_ < 0)
    fail(ErrorKind::failure, file(kLock), ": cannot be opened: ", std::strerror(errno));
  try {
    if (flock(lock_, LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK)
        fail(ErrorKind::failure, file(kLock), ": cannot be locked: ", std::strerror(errno));
      fail(ErrorKind::usage, path, ": is in use by ", holder(file(kLock)));
    }
    struct stat lock;
    if (fstat(lock_, &lock) != 0 || lock.st_nlink == 0)
      fail(ErrorKind::usage, path, ": was removed by another process");
    used = !is_empty_but_for_lock(path);  // what another process did before it gave up the lock
    if (used && existing == Existing::refuse)
      fail(ErrorKind::usage, path,
           ": holds a run already; --resume goes on with it, --overwrite removes it");
    std::string who = std::to_string(getpid()) + " on " + host_name() + "\n";
    if (ftruncate(lock_, 0) != 0 || pwrite(lock_, who.data(), who.size(), 0) < 0)
      fail(ErrorKind::failure, file(kLock), ": cannot be written: ", std::strerror(errno));
    if (existing == Existing::overwrite) remove_run(path);
    remove_temporaries(path);
    remove_temporaries(checkpoints_.path());
  } catch (...) {
    close(lock_);
    throw;
  }
  resumes_ = existing == Existing::resume && fs::exists(file("config.toml"), error);
}

// The lock file stays: without it two processes could hold two locks of the same name. A folder
// that is given up is removed before the lock is, and who was waiting for the lock looks at its
// link count.
RunDirectory::~RunDirectory() {
  std::error_code ignored;
  if (created_ && is_empty_but_for_lock(path_)) {
    fs::remove(file(kLock), ignored);
    fs::remove(path_, ignored);
  }
  close(lock_);
}

std::string RunDirectory::file(const std::string& name) const {
  return (fs::path(path_) / name).string();
}

std::string RunDirectory::picture(const std::string& name) const {
  fs::create_directories(fs::path(path_) / "pictures");
  return (fs::path(path_) / "pictures" / name).string();
}

void RunDirectory::write(const std::string& name, const std::string& text) const {
  write_durably(file(name), text);
}

void RunDirectory::write_environment() const {
  write("environment.json", environment().dump(2) + "\n");
}

}  // namespace autodidact
