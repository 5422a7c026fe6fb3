// SPDX-License-Identifier: Apache-2.0
// The wire between a browser and a server, which a test can pull out: then connections end and new ones are refused, as
// when a network is gone. A browser's own "offline" switch does not reach a page's worker; this does.
#pragma once
#include <map>
#include <string>
#include <thread>

namespace afina::collector {

class Plug {
 public:
  /// Plugged in, on a free port of loopback. Throws std::runtime_error where there is none.
  explicit Plug(int server_port);
  ~Plug();
  Plug(const Plug&) = delete;
  Plug& operator=(const Plug&) = delete;

  std::string address() const;
  /// Ends every connection. Idempotent.
  void pull();
  /// The same port again. Idempotent.
  void plug_in();

 private:
  void run();
  void accept_one();
  void end_both(int one);

  int server_port_, port_ = 0;
  int listener_ = -1, stop_ = -1;
  std::map<int, int> peers_;  ///< each end of a connection and the other one
  std::thread thread_;
};

}  // namespace afina::collector
