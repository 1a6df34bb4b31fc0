#include "train/run_directory.h"
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include "engine/durable_file.h"
#include "train/environment.h"

namespace autodidact {
namespace fs = std::filesystem;
namespace {

constexpr const char* kLock = ".lock";
constexpr const char* kPictureNames = ".names";  // in pictures/: what was drawn here, a line each
constexpr const char* kOwnFiles[] = {"config.toml",      "metrics.jsonl",   "log.txt",
                                     "environment.json", "bad_files.txt",   "summary.txt",
                                     "summary.json",     "similarities.png"};

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

// Other programs have files called .lock and config.toml too: ours says "PID on HOST", and where
// only a copy without it is left, environment.json is what this program writes.
bool is_run(const fs::path& path) {
  std::error_code none;
  auto text_of = [&](const char* name) {
    return fs::is_regular_file(path / name, none) ? read_text((path / name).string()) : "";
  };
  std::string lock = text_of(kLock);
  size_t digits = lock.find_first_not_of("0123456789");
  if (digits > 0 && digits != lock.npos && lock.compare(digits, 4, " on ") == 0) return true;
  auto made = nlohmann::json::parse(text_of("environment.json"), nullptr, false);
  return fs::exists(path / "config.toml", none) && made.is_object() && made.contains("version") &&
         made.contains("cpu") && made.contains("gpu");
}

bool is_folder(const fs::path& path) {
  std::error_code none;
  return fs::is_directory(fs::symlink_status(path, none));
}

// The demo has no --resume: its acts are runs of their own.
constexpr const char* kHoldsRun =
    ": holds a run already; --overwrite removes it, and where `train` made it --resume goes on "
    "with it";

// Why nothing can be done in this folder; "" where it can.
std::string no_run_directory(const std::string& path, bool resume) {
  std::error_code none;
  const bool there = fs::exists(path, none);
  if (there && !fs::is_directory(path, none)) return path + ": is a file, not a run directory";
  if (!there && resume) return path + ": there is no run to resume";
  if (there && !is_empty_but_for_lock(path) && !is_run(path))
    return path + ": holds something that is not a run; choose another --out";
  return "";
}

}  // namespace

std::vector<std::string> kept_reconstructions(const std::string& folder) {
  std::vector<std::string> paths;
  std::error_code none;
  for (auto& entry : fs::directory_iterator(folder, none))
    if (std::string name = entry.path().filename().string();
        name.starts_with("epoch-") && name.ends_with(".safetensors"))
      paths.push_back(entry.path().string());
  std::sort(paths.begin(), paths.end());
  return paths;
}

namespace {

void remove_run(const fs::path& path) {
  for (const char* name : kOwnFiles) fs::remove(path / name);
  if (fs::path folder = path / "checkpoints"; is_folder(folder)) {
    for (const std::string& name : CheckpointFolder(folder.string()).names())
      fs::remove(folder / name);
    fs::remove(folder / "last");
  }
  if (fs::path folder = path / "reconstructions"; is_folder(folder))
    for (const std::string& kept : kept_reconstructions(folder.string())) fs::remove(kept);
  if (fs::path folder = path / "pictures"; is_folder(folder)) {
    std::ifstream names(folder / kPictureNames);
    for (std::string name; std::getline(names, name);)
      if (fs::path(name).filename() == name && !is_folder(folder / name)) fs::remove(folder / name);
    fs::remove(folder / kPictureNames);
  }
}

}  // namespace

std::string RunDirectory::refusal(const std::string& path, Existing existing) {
  std::string why = no_run_directory(path, existing == Existing::resume);
  std::error_code none;
  if (why.empty() && existing == Existing::refuse && fs::exists(path, none) &&
      !is_empty_but_for_lock(path))
    why = path + kHoldsRun;
  return why;
}

RunDirectory::RunDirectory(const std::string& path, Existing existing)
    : path_(path), checkpoints_((fs::path(path) / "checkpoints").string()), existing_(existing) {
  // A folder that is no run of ours is left alone, lock file and all.
  if (std::string why = no_run_directory(path, existing == Existing::resume); !why.empty())
    fail(ErrorKind::usage, why);
  std::error_code error;
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
    // Or what another process did before it gave up the lock.
    if (existing == Existing::refuse && !is_empty_but_for_lock(path))
      fail(ErrorKind::usage, path, kHoldsRun);
    std::string who = std::to_string(getpid()) + " on " + host_name() + "\n";
    // Never empty in between: who looks now has to see that this is a run.
    if (pwrite(lock_, who.data(), who.size(), 0) < 0 || ftruncate(lock_, off_t(who.size())) != 0)
      fail(ErrorKind::failure, file(kLock), ": cannot be written: ", std::strerror(errno));
    for (const std::string& folder : {path, checkpoints_.path(), file("reconstructions")})
      remove_temporaries(folder);
  } catch (...) {
    close(lock_);
    throw;
  }
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

void RunDirectory::remove_overwritten() const {
  if (existing_ == Existing::overwrite) remove_run(path_);
}

std::string RunDirectory::file(const std::string& name) const {
  return (fs::path(path_) / name).string();
}

std::string RunDirectory::picture(const std::string& name) const {
  fs::path folder = fs::path(path_) / "pictures";
  fs::create_directories(folder);
  std::ifstream there(folder / kPictureNames);  // an earlier process may have drawn it
  for (std::string line; std::getline(there, line);)
    if (line == name) return (folder / name).string();
  std::ofstream names(folder / kPictureNames, std::ios::app);
  if (!(names << name << '\n' << std::flush))
    fail(ErrorKind::failure, (folder / kPictureNames).string(), ": cannot be written");
  return (folder / name).string();
}

void RunDirectory::write(const std::string& name, const std::string& text) const {
  write_durably(file(name), text);
}

void RunDirectory::write_environment() const {
  write("environment.json", environment().dump(2) + "\n");
}

}  // namespace autodidact
