// SPDX-License-Identifier: Apache-2.0
// libcurl's multi interface on one thread with epoll: costs what happens, not what is open. Internal to http/.
#pragma once
#include <curl/curl.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

namespace afina::http {

class CurlLoop {
 public:
  static constexpr std::chrono::milliseconds kTick{50};
  struct Callbacks {
    std::function<void(CURL*, CURLcode)> on_done;  ///< a transfer has ended; it is to be removed
    std::function<void()> on_tick;                 ///< every kTick
  };

  /// Throws StorageError where the system gives no descriptors. The callbacks run on the loop's thread.
  explicit CurlLoop(Callbacks callbacks);
  /// stop() must have been called.
  ~CurlLoop();
  CurlLoop(const CurlLoop&) = delete;
  CurlLoop& operator=(const CurlLoop&) = delete;

  /// Runs a task on the loop's thread; any thread.
  void post(std::function<void()> task);
  /// The loop's thread only, outside of a transfer's own callbacks.
  void add(CURL* easy);
  void remove(CURL* easy);
  /// Runs what was posted before, then `last`, then what that posted; joins.
  void stop(std::function<void()> last);

 private:
  void run();
  void wake() const;
  void run_tasks();
  void collect();
  int wait_ms() const;
  static int on_socket(CURL* easy, curl_socket_t socket, int what, void* self, void* known);
  static int on_timer(CURLM* multi, long milliseconds, void* self);

  const Callbacks callbacks_;
  CURLM* multi_ = nullptr;
  int epoll_ = -1, wake_ = -1;
  std::optional<std::chrono::steady_clock::time_point> timer_;
  std::mutex mutex_;
  std::vector<std::function<void()>> tasks_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace afina::http
