// SPDX-License-Identifier: Apache-2.0
#include "base/cancel.h"

#include <csignal>
#include <cstdlib>
#include <thread>

#include "base/error.h"

namespace afina {

std::stop_token stop_on_signals() {
  // Signals are blocked in every thread and taken by one waiting thread: nothing runs in a signal handler.
  static std::stop_source source;
  static const bool started = [] {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    std::thread([set] {
      int signal = 0;
      sigwait(&set, &signal);
      source.request_stop();
      sigwait(&set, &signal);
      std::_Exit(exit_code(ErrorKind::cancelled));
    }).detach();
    return true;
  }();
  static_cast<void>(started);
  return source.get_token();
}

}  // namespace afina
