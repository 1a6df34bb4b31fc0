#include "train/signals.h"
#include <signal.h>
#include <unistd.h>
#include <atomic>
#include "engine/check.h"

namespace autodidact {
namespace {

constexpr int kStops[] = {SIGINT, SIGTERM, SIGHUP};
// Asked by any thread.
std::atomic<int> stop_signal = 0, checkpoint_wanted = 0;
static_assert(std::atomic<int>::is_always_lock_free);  // or a handler may not touch them
bool watching = false;
struct sigaction before[4];

void on_stop(int signal) {
  if (stop_signal) _exit(exit_code_of_signal(signal));
  stop_signal = signal;
}
void on_checkpoint(int) { checkpoint_wanted = 1; }

}  // namespace

SignalWatch::SignalWatch() {
  check(!watching, "signals: are watched already");
  watching = true;
  stop_signal = 0;
  checkpoint_wanted = 0;
  struct sigaction action {};
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  action.sa_handler = on_stop;
  for (int i = 0; i < 3; ++i) {
    sigaction(kStops[i], nullptr, &before[i]);
    // nohup: a hang-up that was ignored when we started stays ignored. An ignored SIGINT does not:
    // shells start every background command with one.
    bool ignored = kStops[i] == SIGHUP && before[i].sa_handler == SIG_IGN;
    if (!ignored) sigaction(kStops[i], &action, nullptr);
  }
  action.sa_handler = on_checkpoint;
  sigaction(SIGUSR1, &action, &before[3]);
}

SignalWatch::~SignalWatch() {
  for (int i = 0; i < 3; ++i) sigaction(kStops[i], &before[i], nullptr);
  sigaction(SIGUSR1, &before[3], nullptr);
  watching = false;
}

int SignalWatch::stop() const { return stop_signal; }

bool SignalWatch::take_checkpoint_request() {
  if (!checkpoint_wanted) return false;
  checkpoint_wanted = 0;
  return true;
}

}  // namespace autodidact
