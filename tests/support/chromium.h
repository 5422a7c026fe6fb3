// SPDX-License-Identifier: Apache-2.0
// A headless Chromium driven over its DevTools pipe (NUL-terminated JSON on descriptors 3 and 4), for browser tests. It
// records what a page must not do: script errors, policy violations, requests to other hosts. One page at a time.
// Source: Chrome DevTools Protocol.
#pragma once
#include <chrono>
#include <deque>
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "tests/support/temp_folder.h"

namespace afina {

class Chromium {
 public:
  /// Starts the browser. Throws std::runtime_error where there is none or it does not answer.
  Chromium();
  ~Chromium();
  Chromium(const Chromium&) = delete;
  Chromium& operator=(const Chromium&) = delete;

  /// A fresh profile and page: no cookies, no storage.
  void new_page(int width_px, int height_px, bool dark = false);
  void go(const std::string& url);
  /// The value of an expression in the page (promises awaited). Throws where the script throws.
  Json evaluate(const std::string& expression);
  /// Waits until the expression is true. Throws with the page's text after the deadline.
  void wait_for(const std::string& expression, std::chrono::milliseconds deadline = std::chrono::seconds(10));
  /// A real click in the middle of the element, as a finger or a mouse does it; scrolls to it first.
  void click(const std::string& selector);
  /// Text into the focused element.
  void type(const std::string& text);
  /// One key, such as "1", "?", "Enter".
  void press(const std::string& key);
  /// The page as PNG; whole: beyond the window too.
  void screenshot(const std::filesystem::path& file, bool whole = false);
  /// True sends all requests of the page into the void.
  void set_offline(bool offline);

  /// Script errors, policy violations and refused loads since new_page.
  std::vector<std::string> problems;
  /// Every address asked for since new_page.
  std::vector<std::string> requests;

 private:
  Json call(const std::string& method, Json params = Json::object(), bool to_browser = false);
  void write_message(const Json& message);
  Json read_message(std::chrono::steady_clock::time_point deadline);
  void take_event(const Json& event);

  TempFolder profile_;
  int pid_ = -1, in_ = -1, out_ = -1, next_id_ = 1;
  std::string buffer_, session_, context_;
};

}  // namespace afina
