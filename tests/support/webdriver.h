// SPDX-License-Identifier: Apache-2.0
// A headless Chromium driven by Debian's chromedriver over the WebDriver protocol, for tests of pages. It records what
// a page must not do: script errors, policy violations, requests to other hosts. One window at a time. Sources: W3C
// WebDriver; the "goog/cdp" extension of chromedriver.
//
// AFINA_BROWSER_SLOW=4 gives the page a processor four times slower and a network with 30 ms more for each step above
// 1: what only a fast machine hides shows itself. Deadlines are longer by as much.
#pragma once
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "http/client.h"

namespace afina {

class WebDriver {
 public:
  /// Starts driver and browser. Throws std::runtime_error where one of them is missing or does not answer.
  WebDriver();
  ~WebDriver();
  WebDriver(const WebDriver&) = delete;
  WebDriver& operator=(const WebDriver&) = delete;

  /// No cookies, a blank page of this size; below 600 pixels a phone with a touch screen. Storage belongs to an origin,
  /// so that a server on another port finds none.
  void new_page(int width_px, int height_px, bool dark = false);
  void go(const std::string& url);
  /// Runs in every page from now on, before its own scripts.
  void on_every_page(const std::string& script);
  /// The value of an expression in the page (promises awaited). Throws where the script throws, or where a dialog is
  /// open that nobody expected.
  Json evaluate(const std::string& expression);
  /// Runs statements in the page's world, whatever its policy says about scripts.
  void run(const std::string& script);
  /// Waits until the expression is true. Throws with the page's text after the deadline.
  void wait_for(const std::string& expression, std::chrono::milliseconds deadline = std::chrono::seconds(30));
  /// A real click on the element, scrolled to the middle. Throws where something else lies above it.
  void click(const std::string& selector);
  /// Keys into the focused element, one by one.
  void type(const std::string& text);
  /// The text into the focused element at once, as a clipboard gives it.
  void paste(const std::string& text);
  /// Files into an input of that kind, as its dialog does it.
  void choose_files(const std::string& selector, const std::vector<std::filesystem::path>& files);
  /// Where files go that a page offers for download; without it they go nowhere.
  void save_downloads_in(const std::filesystem::path& folder);
  /// One key, such as "1", "?", "Enter", "Tab", "ArrowDown".
  void press(const std::string& key);
  /// The page as PNG, beyond the window too.
  void screenshot(const std::filesystem::path& file);
  /// True sends all requests of the page into the void.
  void set_offline(bool offline);

  /// Script errors, policy violations and refused loads since new_page; failed requests while offline are none.
  std::vector<std::string> problems();
  /// Every address asked for since new_page.
  std::vector<std::string> requests();

 private:
  bool holds(const std::string& question);
  void begin();
  void end();
  Json call(const std::string& method, const std::string& path, const Json& body = nullptr);
  Json command(const std::string& name, Json params);
  void read_logs();
  void keys(const std::vector<std::string>& values);

  int pid_ = -1, output_ = -1;
  std::unique_ptr<http::Client> client_;
  std::string session_;
  std::vector<std::string> problems_, requests_;
};

}  // namespace afina
