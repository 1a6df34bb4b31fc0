// Signals of a training run. The first SIGINT, SIGTERM or SIGHUP asks for a stop after the current
// step, with a checkpoint; a second one ends the process at once. SIGUSR1 asks for a checkpoint
// now.
#pragma once

namespace autodidact {

// Handlers from construction to destruction; one at a time.
class SignalWatch {
 public:
  SignalWatch();
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;

  int stop() const;  // the signal that asked for a stop, or 0
  bool take_checkpoint_request();
};

inline int exit_code_of_signal(int signal) { return 128 + signal; }

}  // namespace autodidact
