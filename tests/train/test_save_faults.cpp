// Saving while the system fails: the n-th call of the save path returns an error, is cut short, or
// is where the process dies, for every n until nothing is left to fail. The system calls that
// saving uses are replaced for this whole program; a fault plan says which call fails, and none by
// default.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <filesystem>
#include "engine/durable_file.h"
#include "engine/random.h"
#include "tests/temporary_folder.h"
#include "train/checkpoint.h"

namespace {

struct FaultPlan {
  bool on = false;
  int at = 0;     // the call that fails, counted from 0
  int error = 0;  // errno of it; 0: the process dies there, before the call does anything
  bool short_writes = false;  // writes take at most 7 bytes, and every third is interrupted
  int calls = 0;
} plan;

// True if the call that is being made must fail; errno is set.
bool fails() {
  if (!plan.on || plan.short_writes || plan.calls++ != plan.at) return false;
  if (plan.error == 0) kill(getpid(), SIGKILL);
  errno = plan.error;
  return true;
}

}  // namespace

extern "C" {
ssize_t write(int fd, const void* data, size_t n) {
  if (plan.on && plan.short_writes) {
    if (plan.calls++ % 3 == 2) {
      errno = EINTR;
      return -1;
    }
    n = n < 7 ? n : 7;
  }
  return fails() ? -1 : ssize_t(syscall(SYS_write, fd, data, n));
}
int fsync(int fd) { return fails() ? -1 : int(syscall(SYS_fsync, fd)); }
int close(int fd) {
  // As on Linux, the descriptor is gone even when close reports an error.
  bool bad = fails();
  int error = errno, status = int(syscall(SYS_close, fd));
  if (bad) errno = error;
  return bad ? -1 : status;
}
int rename(const char* from, const char* to) noexcept {
  return fails() ? -1 : int(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}
int open(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  int mode = flags & O_CREAT ? va_arg(more, int) : 0;
  va_end(more);
  return fails() ? -1 : int(syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}
}

using namespace autodidact;
namespace fs = std::filesystem;

namespace {

Checkpoint checkpoint_of(int64_t step) {
  Checkpoint c;
  Tensor t = empty({50});
  Rng rng{uint64_t(step)};
  fill_normal(t, 0, 1, rng);
  c.file.tensors["weight"] = t;
  c.step = step;
  return c;
}

bool has_temporaries(const fs::path& folder) {
  for (auto& entry : fs::directory_iterator(folder))
    if (entry.path().filename().string()[0] == '.') return true;
  return false;
}

// The newest undamaged checkpoint must be step 2, or step 3 if its save got that far.
void check_something_is_left(const std::string& folder) {
  auto last = CheckpointFolder(folder).load_last([](const std::string&) {});
  REQUIRE(last);
  CHECK((last->step == 2 || last->step == 3));
  std::string found = find_checkpoint(folder);
  CHECK_NOTHROW(read_checkpoint(found));
}

}  // namespace

TEST_CASE("save: whichever call fails, the old checkpoint stays and no temporary file does") {
  for (int error : {ENOSPC, EIO, EDQUOT}) {
    int n = 0;
    for (bool failed = true; failed; ++n) {
      TemporaryFolder folder;
      CheckpointFolder checkpoints(folder / "c");
      checkpoints.save(checkpoint_of(1));
      checkpoints.save(checkpoint_of(2));
      std::string message;
      plan = {true, n, error, false, 0};
      try {
        checkpoints.save(checkpoint_of(3));
      } catch (const std::exception& e) { message = e.what(); }
      plan.on = false;
      failed = plan.calls > n;  // the n-th call was made
      check_something_is_left(folder / "c");
      CHECK(!has_temporaries(folder / "c"));
      if (!failed) CHECK(message == "");
      // Closing what was only read, and the directory, may fail without harm; all else is said.
      if (!message.empty()) CHECK(message.find(folder / "c") != std::string::npos);
    }
    CHECK(n > 12);
  }
}

TEST_CASE("save: killed at any call, the next process finds a checkpoint and cleans up") {
  int n = 0;
  for (bool killed = true; killed; ++n) {
    TemporaryFolder folder;
    CheckpointFolder checkpoints(folder / "c");
    checkpoints.save(checkpoint_of(1));
    checkpoints.save(checkpoint_of(2));
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      plan = {true, n, 0, false, 0};
      checkpoints.save(checkpoint_of(3));
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    killed = WIFSIGNALED(status);
    if (!killed) CHECK(status == 0);
    check_something_is_left(folder / "c");
    remove_temporaries(folder / "c");
    CHECK(!has_temporaries(folder / "c"));
  }
  CHECK(n > 12);
}

TEST_CASE("save: short and interrupted writes change nothing") {
  TemporaryFolder folder;
  write_checkpoint(folder / "a", checkpoint_of(1));
  plan = {true, 0, 0, true, 0};
  write_checkpoint(folder / "b", checkpoint_of(1));
  plan.on = false;
  CHECK(plan.calls > 50);
  CHECK(read_text(folder / "a") == read_text(folder / "b"));
}

TEST_CASE("save: a full disk leaves the old checkpoint, whatever room there is") {
  TemporaryFolder folder;
  if (geteuid() != 0 || mount("tmpfs", folder.path.c_str(), "tmpfs", 0, "size=256k") != 0) {
    std::puts("SKIPPED: save on a full disk: needs the right to mount a tmpfs");
    return;
  }
  struct Unmount {
    fs::path path;
    ~Unmount() { umount2(path.c_str(), MNT_DETACH); }
  } unmount{folder.path};
  int failures = 0;
  for (int free_kib = 0; free_kib <= 160; free_kib += 4) {
    fs::remove_all(folder / "c");
    fs::remove(folder / "ballast");
    CheckpointFolder checkpoints(folder / "c");
    checkpoints.save(checkpoint_of(2));
    Checkpoint large = checkpoint_of(3);
    large.file.tensors["large"] = zeros({32 * 1024});  // 128 KiB
    fs::space_info room = fs::space(folder.path);
    int64_t ballast = int64_t(room.available) - free_kib * 1024;
    REQUIRE(ballast >= 0);
    {
      std::FILE* f = std::fopen((folder / "ballast").c_str(), "wb");
      std::string zeros(size_t(ballast), '\0');
      REQUIRE(std::fwrite(zeros.data(), 1, zeros.size(), f) == zeros.size());
      std::fclose(f);
    }
    std::string message;
    try {
      checkpoints.save(large);
    } catch (const Error& e) {
      message = e.what();
      ++failures;
      CHECK(e.kind == ErrorKind::failure);
      CHECK(message.find("bytes needed") != std::string::npos);
    }
    check_something_is_left(folder / "c");
    CHECK(!has_temporaries(folder / "c"));
  }
  CHECK(failures > 20);
  CHECK(failures < 41);
}
