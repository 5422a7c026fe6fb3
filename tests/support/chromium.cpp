// SPDX-License-Identifier: Apache-2.0
#include "tests/support/chromium.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>

#include "base/cat.h"
#include "base/file.h"

namespace afina {
namespace {

constexpr std::chrono::seconds kCallDeadline{20};
constexpr std::chrono::milliseconds kPollEvery{40};

std::string from_base64(const std::string& text) {
  std::string bytes;
  unsigned bits = 0;
  int have = 0;
  for (const char c : text) {
    const std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const size_t value = alphabet.find(c);
    if (value == std::string_view::npos) continue;
    bits = (bits << 6) | static_cast<unsigned>(value);
    have += 6;
    if (have >= 8) bytes += static_cast<char>((bits >> (have -= 8)) & 0xff);
  }
  return bytes;
}

[[noreturn]] void run_browser(int commands, int answers, const std::string& profile) {
  ::setpgid(0, 0);
  // Descriptors 3 and 4 may be the pipe ends themselves: move them out of the way before they are overwritten.
  commands = ::fcntl(commands, F_DUPFD, 10);
  answers = ::fcntl(answers, F_DUPFD, 10);
  ::dup2(commands, 3);
  ::dup2(answers, 4);
  const int null = ::open("/dev/null", O_RDWR);
  ::dup2(null, 0);
  ::dup2(null, 1);
  ::dup2(null, 2);
  const std::string data = cat("--user-data-dir=", profile);
  for (const char* name : {"chromium", "chromium-browser", "google-chrome"}) {
    ::execlp(name, name, "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--no-first-run",
             "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
             "--disable-extensions", "--hide-scrollbars", data.c_str(), "about:blank", static_cast<char*>(nullptr));
  }
  ::_exit(127);
}

}  // namespace

Chromium::Chromium() {
  int commands[2], answers[2];
  if (::pipe2(commands, O_CLOEXEC) != 0 || ::pipe2(answers, O_CLOEXEC) != 0) throw std::runtime_error("pipe failed");
  pid_ = ::fork();
  if (pid_ == 0) run_browser(commands[0], answers[1], profile_.path());
  ::close(commands[0]);
  ::close(answers[1]);
  in_ = commands[1];
  out_ = answers[0];
  ::signal(SIGPIPE, SIG_IGN);
  call("Browser.getVersion", Json::object(), true);
}

Chromium::~Chromium() {
  ::close(in_);
  ::close(out_);
  // The browser's helpers share its process group; the profile can be removed only when all are gone.
  ::kill(-pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void Chromium::write_message(const Json& message) {
  std::string bytes = dump_json(message);
  bytes.push_back('\0');
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t wrote = ::write(in_, bytes.data() + done, bytes.size() - done);
    if (wrote <= 0) throw std::runtime_error("the browser is gone (is chromium installed?)");
    done += static_cast<size_t>(wrote);
  }
}

Json Chromium::read_message(std::chrono::steady_clock::time_point deadline) {
  for (;;) {
    const size_t end = buffer_.find('\0');
    if (end != std::string::npos) {
      const Json message = Json::parse(buffer_.substr(0, end));
      buffer_.erase(0, end + 1);
      return message;
    }
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd waiting{out_, POLLIN, 0};
    if (left.count() <= 0 || ::poll(&waiting, 1, static_cast<int>(left.count())) == 0) return nullptr;
    char piece[65536];
    const ssize_t got = ::read(out_, piece, sizeof piece);
    if (got <= 0) throw std::runtime_error("the browser ended (is chromium installed?)");
    buffer_.append(piece, static_cast<size_t>(got));
  }
}

Json Chromium::call(const std::string& method, Json params, bool to_browser) {
  const int id = next_id_++;
  Json message{{"id", id}, {"method", method}, {"params", std::move(params)}};
  if (!to_browser) message["sessionId"] = session_;
  write_message(message);
  const auto deadline = std::chrono::steady_clock::now() + kCallDeadline;
  for (;;) {
    const Json answer = read_message(deadline);
    if (answer.is_null()) throw std::runtime_error(cat("the browser did not answer ", method));
    if (answer.value("id", 0) != id) {
      take_event(answer);
      continue;
    }
    if (answer.contains("error")) throw std::runtime_error(cat(method, ": ", dump_json(answer["error"])));
    return answer["result"];
  }
}

void Chromium::take_event(const Json& event) {
  if (event.value("sessionId", "") != session_) return;
  const std::string method = event.value("method", "");
  const Json& params = event.contains("params") ? event["params"] : Json::object();
  if (method == "Runtime.exceptionThrown") problems.push_back(dump_json(params["exceptionDetails"]));
  if (method == "Network.requestWillBeSent") requests.push_back(params["request"]["url"]);
  if (method == "Log.entryAdded" && params["entry"].value("source", "") == "security") {
    problems.push_back(dump_json(params["entry"]));
  }
  if (method == "Page.javascriptDialogOpening") {
    Json accept{{"id", next_id_++}, {"method", "Page.handleJavaScriptDialog"}, {"sessionId", session_}};
    accept["params"] = {{"accept", true}};
    write_message(accept);
  }
}

void Chromium::new_page(int width_px, int height_px, bool dark) {
  problems.clear();
  requests.clear();
  if (!context_.empty()) call("Target.disposeBrowserContext", {{"browserContextId", context_}}, true);
  context_ = call("Target.createBrowserContext", Json::object(), true)["browserContextId"];
  const Json target = call("Target.createTarget", {{"url", "about:blank"}, {"browserContextId", context_}}, true);
  session_ = call("Target.attachToTarget", {{"targetId", target["targetId"]}, {"flatten", true}}, true)["sessionId"];
  for (const char* domain : {"Page", "Runtime", "Network", "Log"})
    call(cat(domain, ".enable"));
  call("Emulation.setDeviceMetricsOverride", {{"width", width_px},
                                              {"height", height_px},
                                              {"screenWidth", width_px},
                                              {"screenHeight", height_px},
                                              {"deviceScaleFactor", 1},
                                              {"mobile", width_px < 600}});
  call("Emulation.setEmulatedMedia",
       {{"features", Json::array({{{"name", "prefers-color-scheme"}, {"value", dark ? "dark" : "light"}},
                                  {{"name", "prefers-reduced-motion"}, {"value", "reduce"}}})}});
}

void Chromium::go(const std::string& url) {
  const Json answer = call("Page.navigate", {{"url", url}});
  if (answer.contains("errorText")) throw std::runtime_error(cat(url, ": ", dump_json(answer["errorText"])));
  wait_for("document.readyState === 'complete'");
}

Json Chromium::evaluate(const std::string& expression) {
  const Json answer =
      call("Runtime.evaluate", {{"expression", expression}, {"returnByValue", true}, {"awaitPromise", true}});
  if (answer.contains("exceptionDetails")) {
    throw std::runtime_error(cat(expression, ": ", dump_json(answer["exceptionDetails"])));
  }
  return answer["result"].contains("value") ? answer["result"]["value"] : Json();
}

void Chromium::wait_for(const std::string& expression, std::chrono::milliseconds deadline) {
  const auto end = std::chrono::steady_clock::now() + deadline;
  const std::string question = cat("Boolean(", expression, ")");
  while (evaluate(question) != true) {
    if (std::chrono::steady_clock::now() > end) {
      throw std::runtime_error(cat("the page never had ", expression,
                                   "; it shows: ", evaluate("document.body.innerText").dump().substr(0, 1500)));
    }
    // Events of the page arrive meanwhile; this is the wait.
    const Json event = read_message(std::chrono::steady_clock::now() + kPollEvery);
    if (!event.is_null()) take_event(event);
  }
}

void Chromium::click(const std::string& selector) {
  const Json place = evaluate(cat("(() => { const e = document.querySelector(", Json(selector).dump(),
                                  "); if (!e) return null; e.scrollIntoView({block: 'center'}); const r = "
                                  "e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"));
  if (place.is_null()) throw std::runtime_error(cat("there is no ", selector));
  for (const char* type : {"mousePressed", "mouseReleased"}) {
    call("Input.dispatchMouseEvent",
         {{"type", type}, {"x", place[0]}, {"y", place[1]}, {"button", "left"}, {"clickCount", 1}});
  }
}

void Chromium::type(const std::string& text) {
  call("Input.insertText", {{"text", text}});
}

void Chromium::press(const std::string& key) {
  const bool printable = key.size() == 1;
  Json down{{"type", printable ? "keyDown" : "rawKeyDown"}, {"key", key}};
  if (printable) down["text"] = key;
  if (key == "Enter") down["windowsVirtualKeyCode"] = 13;
  if (key == "Escape") down["windowsVirtualKeyCode"] = 27;
  if (key == "Tab") down["windowsVirtualKeyCode"] = 9;
  call("Input.dispatchKeyEvent", down);
  call("Input.dispatchKeyEvent", {{"type", "keyUp"}, {"key", key}});
}

void Chromium::screenshot(const std::filesystem::path& file, bool whole) {
  const Json answer = call("Page.captureScreenshot", {{"format", "png"}, {"captureBeyondViewport", whole}});
  write_file_atomic(file, from_base64(answer["data"]));
}

void Chromium::set_offline(bool offline) {
  call("Network.emulateNetworkConditions",
       {{"offline", offline}, {"latency", 0}, {"downloadThroughput", -1}, {"uploadThroughput", -1}});
}

}  // namespace afina
