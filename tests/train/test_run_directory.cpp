// Run directories: locks, refusals, what --overwrite removes, and metrics cut on resume.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <filesystem>
#include <fstream>
#include "engine/durable_file.h"
#include "tests/temporary_folder.h"
#include "train/metrics.h"
#include "train/progress.h"
#include "train/run_directory.h"
#include "train/signals.h"

using namespace autodidact;
namespace fs = std::filesystem;
using Existing = RunDirectory::Existing;

static std::string refusal(const std::string& path, Existing existing) {
  try {
    RunDirectory run(path, existing);
  } catch (const Error& e) {
    CHECK(e.kind == ErrorKind::usage);
    return e.what();
  }
  return "";
}

TEST_CASE("run directory: an existing one is refused, resumed or overwritten") {
  TemporaryFolder folder;
  std::string path = folder / "run";
  CHECK(refusal(path, Existing::resume).find("no run to resume") != std::string::npos);
  {
    RunDirectory run(path, Existing::refuse);
    CHECK(!run.resumes());
    run.write("config.toml", "epochs = 1\n");
    run.write_environment();
    write_durably(run.picture("a.png"), "picture");
    fs::create_directories(run.checkpoints().path());
    write_durably(run.checkpoints().path() + "/step-00000001.safetensors", "weights");
    write_durably(run.file("notes.md"), "mine");
    write_durably(path + "/pictures/holiday.png", "mine");
    write_durably(path + "/checkpoints/step-by-step.txt", "mine");
    write_durably(run.file("report.html"), "mine");
  }
  CHECK(refusal(path, Existing::refuse).find("--resume goes on with it") != std::string::npos);
  // What a dry run says.
  CHECK(RunDirectory::refusal(path, Existing::refuse) == refusal(path, Existing::refuse));
  CHECK(RunDirectory::refusal(path, Existing::overwrite) == "");
  CHECK(RunDirectory::refusal(folder / "none", Existing::refuse) == "");
  CHECK(RunDirectory::refusal(folder / "none", Existing::resume) ==
        refusal(folder / "none", Existing::resume));
  {
    RunDirectory run(path, Existing::resume);
    CHECK(run.resumes());
    CHECK(run.checkpoints().names().size() == 1);
    for (const char* name : {"a.png", "b.png", "a.png"}) run.picture(name);  // drawn once more
    CHECK(read_text(path + "/pictures/.names") == "a.png\nb.png\n");
  }
  RunDirectory run(path, Existing::overwrite);
  CHECK(!run.resumes());
  // The old run is there until the new one cannot be refused any more.
  CHECK(fs::exists(run.file("config.toml")));
  CHECK(run.checkpoints().names().size() == 1);
  run.remove_overwritten();
  CHECK(run.checkpoints().names().empty());
  CHECK(!fs::exists(run.file("config.toml")));
  CHECK(!fs::exists(run.picture("a.png")));
  for (const char* name :
       {"notes.md", "pictures/holiday.png", "checkpoints/step-by-step.txt", "report.html"})
    CHECK_MESSAGE(fs::exists(run.file(name)), name);
}

TEST_CASE("run directory: what is not a run is left alone") {
  TemporaryFolder folder;
  fs::create_directories(folder / "photos/checkpoints");
  write_durably(folder / "photos/a.png", "picture");
  for (Existing e : {Existing::refuse, Existing::resume, Existing::overwrite})
    CHECK(refusal(folder / "photos", e).find("not a run") != std::string::npos);
  CHECK(fs::exists(folder / "photos/a.png"));
  CHECK(!fs::exists(folder / "photos/.lock"));
  CHECK(refusal(folder / "photos/a.png", Existing::overwrite).find("is a file") !=
        std::string::npos);
  fs::create_directories(folder / "empty");
  CHECK(refusal(folder / "empty", Existing::refuse) == "");
  CHECK(fs::exists(folder / "empty"));
  CHECK(refusal(folder / "new/run", Existing::refuse) == "");
  CHECK(!fs::exists(folder / "new/run"));  // created for nothing
}

TEST_CASE("run directory: other programs' files of the same names make no run") {
  TemporaryFolder folder;
  for (const char* lock : {"", "4711\n", "12 onward\n"}) {
    std::string path = folder / "site";
    fs::create_directories(path + "/pictures");
    write_durably(path + "/config.toml", "title = \"my site\"\n");
    write_durably(path + "/environment.json", "{\"version\": 3}");
    write_durably(path + "/pictures/a.png", "picture");
    write_durably(path + "/.lock", lock);
    for (Existing e : {Existing::refuse, Existing::resume, Existing::overwrite})
      CHECK(refusal(path, e).find("not a run") != std::string::npos);
    CHECK(fs::exists(path + "/config.toml"));
    CHECK(fs::exists(path + "/pictures/a.png"));
    CHECK(read_text(path + "/.lock") == lock);
  }
  std::string path = folder / "run";
  {
    RunDirectory run(path, Existing::refuse);
    run.write("config.toml", "");
    run.write_environment();
  }
  fs::remove(path + "/.lock");  // copied without it
  CHECK(refusal(path, Existing::resume) == "");
}

TEST_CASE("run directory: overwriting does not follow links out of it") {
  TemporaryFolder folder;
  fs::create_directories(folder / "elsewhere");
  write_durably(folder / "elsewhere/step-1.safetensors", "weights");
  RunDirectory(folder / "run", Existing::refuse).write("config.toml", "");
  fs::create_directory_symlink(folder / "elsewhere", folder / "run/checkpoints");
  CHECK_NOTHROW(RunDirectory(folder / "run", Existing::overwrite).remove_overwritten());
  CHECK(fs::exists(folder / "elsewhere/step-1.safetensors"));
}

TEST_CASE("run directory: a second process is refused and told who holds it") {
  TemporaryFolder folder;
  std::string path = folder / "run";
  {
    RunDirectory run(path, Existing::refuse);
    run.write("config.toml", "");
    for (Existing e : {Existing::refuse, Existing::resume, Existing::overwrite}) {
      std::string why = refusal(path, e);
      CHECK(why.find("is in use by the process " + std::to_string(getpid()) + " on ") !=
            std::string::npos);
    }
  }
  CHECK(refusal(path, Existing::resume) == "");  // the lock ends with its holder
}

TEST_CASE("run directory: of 20 processes at once exactly one runs") {
  TemporaryFolder folder;
  int go[2];
  REQUIRE(pipe(go) == 0);
  std::vector<pid_t> children;
  for (int i = 0; i < 20; ++i) {
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      char c;
      close(go[1]);
      if (read(go[0], &c, 1) < 0) _exit(99);  // returns when the parent closes its end
      int code = 99;
      try {
        RunDirectory run(folder / "run", Existing::refuse);
        run.write("config.toml", "");
        usleep(500000);
        code = 0;
      } catch (const Error& e) { code = int(e.kind); }
      _exit(code);
    }
    children.push_back(child);
  }
  close(go[0]), close(go[1]);
  int ran = 0, refused = 0;
  for (pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    ran += status == 0;
    refused += WIFEXITED(status) && WEXITSTATUS(status) == 2;
  }
  CHECK(ran == 1);
  CHECK(refused == 19);
}

TEST_CASE(
    "metrics: lines have a fixed form and a resumed run cuts what its checkpoint did not see") {
  TemporaryFolder folder;
  std::string path = folder / "metrics.jsonl";
  {
    MetricsFile metrics(path, 0);
    metrics.write({{"step", int64_t(1)}, {"loss", 2.5}, {"split", "te\"st\n"}});
    metrics.write({{"step", int64_t(2)}, {"loss", 0.1}, {"nan", 0.0 / 0.0}});
    CHECK(metrics.lines() == 2);
    metrics.write({{"step", int64_t(3)}});
  }
  const std::string two =
      "{\"step\": 1, \"loss\": 2.5, \"split\": \"te\\\"st\\n\"}\n"
      "{\"step\": 2, \"loss\": 0.1, \"nan\": null}\n";
  CHECK(read_text(path) == two + "{\"step\": 3}\n");
  std::ofstream(path, std::ios::app) << "{\"step\": 4, \"lo";  // torn by a kill
  auto numbers = read_metrics(path);
  REQUIRE(numbers.size() == 3);
  CHECK(numbers[1] == std::map<std::string, double>{{"step", 2}, {"loss", 0.1}});
  {
    MetricsFile metrics(path, 2);
    CHECK(read_text(path) == two);
    metrics.write({{"step", int64_t(3)}});
    CHECK(metrics.lines() == 3);
  }
  CHECK(read_text(path) == two + "{\"step\": 3}\n");
  CHECK_THROWS_WITH_AS(MetricsFile(path, 4), doctest::Contains("line 4, the file has 3"), Error);
  CHECK(read_text(path) == two + "{\"step\": 3}\n");
}

TEST_CASE("signals: the first asks for a stop, a second ends the process") {
  CHECK(exit_code_of_signal(SIGINT) == 130);
  CHECK(exit_code_of_signal(SIGTERM) == 143);
  for (int signal : {SIGINT, SIGTERM, SIGHUP}) {
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      SignalWatch watch;
      bool right = watch.stop() == 0 && !watch.take_checkpoint_request();
      raise(SIGUSR1);
      right = right && watch.take_checkpoint_request() && !watch.take_checkpoint_request();
      raise(signal);
      right = right && watch.stop() == signal;
      if (!right) _exit(1);
      raise(SIGTERM);
      _exit(2);  // not reached
    }
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == exit_code_of_signal(SIGTERM));
  }
}

TEST_CASE("progress: durations as a person reads them") {
  CHECK(duration_text(0.4) == "0 s");
  CHECK(duration_text(59.6) == "1 min 00 s");
  CHECK(duration_text(200) == "3 min 20 s");
  CHECK(duration_text(7500) == "2 h 05 min");
}
