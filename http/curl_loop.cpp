// SPDX-License-Identifier: Apache-2.0
#include "http/curl_loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/error.h"

namespace afina::http {
namespace {

using Clock = std::chrono::steady_clock;
/// Idle connections kept for the next call.
constexpr long kKeptConnections = 64;

void init_library_once() {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  if (ready != CURLE_OK) throw InternalError("[http client] must initialise libcurl, but cannot.");
}

}  // namespace

CurlLoop::CurlLoop(Callbacks callbacks) : callbacks_(std::move(callbacks)) {
  init_library_once();
  multi_ = curl_multi_init();
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  wake_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  epoll_event event{.events = EPOLLIN, .data = {.fd = wake_}};
  if (multi_ == nullptr || epoll_ < 0 || wake_ < 0 || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event) != 0) {
    if (multi_ != nullptr) curl_multi_cleanup(multi_);
    ::close(epoll_);
    ::close(wake_);
    throw StorageError("[http client] must get file descriptors, but the system gives none.");
  }
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &CurlLoop::on_socket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, static_cast<void*>(this));
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &CurlLoop::on_timer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, static_cast<void*>(this));
  curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, kKeptConnections);
  thread_ = std::thread([this] { run(); });
}

CurlLoop::~CurlLoop() {
  curl_multi_cleanup(multi_);
  ::close(epoll_);
  ::close(wake_);
}

void CurlLoop::wake() const {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_, &one, sizeof one);
}

void CurlLoop::post(std::function<void()> task) {
  {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    if (tasks_.size() > 1) return;  // whoever put the first one has woken the loop
  }
  wake();
}

void CurlLoop::add(CURL* easy) {
  const CURLMcode code = curl_multi_add_handle(multi_, easy);
  if (code != CURLM_OK) throw InternalError(cat("[http client] must begin a call, but: ", curl_multi_strerror(code)));
}

void CurlLoop::remove(CURL* easy) {
  curl_multi_remove_handle(multi_, easy);
}

void CurlLoop::stop(std::function<void()> last) {
  post([this, last = std::move(last)] {
    last();
    stopping_ = true;
  });
  thread_.join();
  run_tasks();
}

void CurlLoop::run() {
  std::array<epoll_event, 128> events;
  Clock::time_point next_tick = Clock::now() + kTick;
  while (!stopping_) {
    const int count = ::epoll_wait(epoll_, events.data(), events.size(), wait_ms());
    int running = 0;
    for (int i = 0; i < count; ++i) {
      if (events[i].data.fd == wake_) {
        uint64_t drained;
        [[maybe_unused]] const ssize_t got = ::read(wake_, &drained, sizeof drained);
        continue;
      }
      const uint32_t what = events[i].events;
      const int mask = ((what & (EPOLLIN | EPOLLHUP)) != 0 ? CURL_CSELECT_IN : 0) |
                       ((what & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
                       ((what & EPOLLERR) != 0 ? CURL_CSELECT_ERR : 0);
      curl_multi_socket_action(multi_, events[i].data.fd, mask, &running);
    }
    if (timer_ && Clock::now() >= *timer_) {
      timer_.reset();
      curl_multi_socket_action(multi_, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    collect();
    run_tasks();
    if (Clock::now() >= next_tick) {
      callbacks_.on_tick();
      next_tick = Clock::now() + kTick;
    }
  }
}

int CurlLoop::wait_ms() const {
  if (!timer_) return static_cast<int>(kTick.count());
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*timer_ - Clock::now());
  return static_cast<int>(std::clamp<int64_t>(left.count(), 0, kTick.count()));
}

void CurlLoop::run_tasks() {
  std::vector<std::function<void()>> tasks;
  {
    const std::lock_guard lock(mutex_);
    tasks.swap(tasks_);
  }
  for (const auto& task : tasks)
    task();
}

void CurlLoop::collect() {
  // The list first: on_done removes handles and adds others, which libcurl forbids only while it calls us.
  std::vector<std::pair<CURL*, CURLcode>> done;
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg == CURLMSG_DONE) done.emplace_back(message->easy_handle, message->data.result);
  }
  for (const auto& [easy, code] : done)
    callbacks_.on_done(easy, code);
}

int CurlLoop::on_socket(CURL*, curl_socket_t socket, int what, void* self, void*) {
  auto& loop = *static_cast<CurlLoop*>(self);
  if (what == CURL_POLL_REMOVE) {
    ::epoll_ctl(loop.epoll_, EPOLL_CTL_DEL, socket, nullptr);
    return 0;
  }
  epoll_event event{.events = ((what & CURL_POLL_IN) != 0 ? uint32_t{EPOLLIN} : 0) |
                              ((what & CURL_POLL_OUT) != 0 ? uint32_t{EPOLLOUT} : 0),
                    .data = {.fd = socket}};
  if (::epoll_ctl(loop.epoll_, EPOLL_CTL_MOD, socket, &event) != 0) {
    ::epoll_ctl(loop.epoll_, EPOLL_CTL_ADD, socket, &event);
  }
  return 0;
}

int CurlLoop::on_timer(CURLM*, long milliseconds, void* self) {
  auto& loop = *static_cast<CurlLoop*>(self);
  loop.timer_.reset();
  if (milliseconds >= 0) loop.timer_ = Clock::now() + std::chrono::milliseconds(milliseconds);
  return 0;
}

}  // namespace afina::http
