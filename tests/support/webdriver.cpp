// SPDX-License-Identifier: Apache-2.0
#include "tests/support/webdriver.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <regex>
#include <stdexcept>

#include "base/cat.h"
#include "base/file.h"

namespace afina {
namespace {

constexpr std::chrono::seconds kStartDeadline{30}, kCallDeadline{60};
/// How long one question waits inside the page: a call from outside costs more than fifty looks in there.
constexpr int kLookMs = 1000, kLookEveryMs = 15;
constexpr int kLatencyMs = 30;  // a step of AFINA_BROWSER_SLOW

/// How many times slower the page is to be; 1 where nothing is said.
int slow() {
  const char* said = std::getenv("AFINA_BROWSER_SLOW");
  return said == nullptr ? 1 : std::max(1, std::atoi(said));
}

std::string from_base64(const std::string& text) {
  static constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  unsigned bits = 0;
  int have = 0;
  for (const char c : text) {
    const size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) continue;
    bits = (bits << 6) | static_cast<unsigned>(value);
    have += 6;
    if (have >= 8) bytes += static_cast<char>((bits >> (have -= 8)) & 0xff);
  }
  return bytes;
}

[[noreturn]] void run_driver(int output) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  ::dup2(output, 1);
  const int null = ::open("/dev/null", O_RDWR);
  ::dup2(null, 0);
  ::dup2(null, 2);
  ::execlp("chromedriver", "chromedriver", "--port=0", static_cast<char*>(nullptr));
  ::_exit(127);
}

/// The driver tells its port in its first lines.
int read_port(int output) {
  std::string said;
  const auto end = std::chrono::steady_clock::now() + kStartDeadline;
  std::smatch found;
  const std::regex line(R"(successfully on port (\d+))");
  while (!std::regex_search(said, found, line)) {
    pollfd waiting{output, POLLIN, 0};
    char piece[4096];
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
    if (left.count() <= 0 || ::poll(&waiting, 1, static_cast<int>(left.count())) <= 0)
      throw std::runtime_error("chromedriver did not start");
    const ssize_t got = ::read(output, piece, sizeof piece);
    if (got <= 0) throw std::runtime_error("chromedriver ended (is the Debian package chromium-driver installed?)");
    said.append(piece, static_cast<size_t>(got));
  }
  return std::stoi(found[1]);
}

Json capabilities() {
  Json args = Json::array();
  for (const char* argument : {"--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
                               "--disable-dev-shm-usage", "--disable-background-networking",
                               "--disable-component-update", "--disable-extensions", "--hide-scrollbars", "--lang=es"})
    args.push_back(argument);
  Json always{{"browserName", "chrome"}, {"unhandledPromptBehavior", "dismiss and notify"}};
  always["goog:chromeOptions"] = {{"args", args}};
  always["goog:loggingPrefs"] = {{"browser", "ALL"}, {"performance", "ALL"}};
  always["goog:chromeOptions"]["perfLoggingPrefs"] = {{"enableNetwork", true}, {"enablePage", false}};
  return {{"capabilities", {{"alwaysMatch", always}}}};
}

/// Keys that are no character, as WebDriver writes them.
std::string key_of(const std::string& name) {
  static const std::map<std::string, std::string> kNamed{
      {"Tab", "\uE004"},       {"Enter", "\uE007"},   {"Escape", "\uE00C"},     {"Backspace", "\uE003"},
      {"ArrowLeft", "\uE012"}, {"ArrowUp", "\uE013"}, {"ArrowRight", "\uE014"}, {"ArrowDown", "\uE015"},
      {"Space", " "},          {"Alt", "\uE00A"},     {"Shift", "\uE008"}};
  const auto found = kNamed.find(name);
  return found == kNamed.end() ? name : found->second;
}

std::vector<std::string> characters(const std::string& text) {
  std::vector<std::string> all;
  for (const char c : text) {
    if ((static_cast<unsigned char>(c) & 0xC0) == 0x80 && !all.empty()) {
      all.back() += c;
    } else {
      all.emplace_back(1, c);
    }
  }
  return all;
}

}  // namespace

WebDriver::WebDriver() {
  int output[2];
  if (::pipe2(output, O_CLOEXEC) != 0) throw std::runtime_error("pipe failed");
  pid_ = ::fork();
  if (pid_ == 0) run_driver(output[1]);
  ::close(output[1]);
  output_ = output[0];
  try {
    begin();
  } catch (...) {
    end();
    throw;
  }
}

void WebDriver::begin() {
  http::ClientOptions options;
  options.base_url = cat("http://127.0.0.1:", read_port(output_));
  options.read_deadline = kCallDeadline;
  options.total_deadline = kCallDeadline;
  options.max_response_bytes = size_t{64} << 20;
  options.max_retries = 0;
  client_ = std::make_unique<http::Client>(options);
  session_ = cat("/session/", call("POST", "/session", capabilities()).at("sessionId").get<std::string>());
}

WebDriver::~WebDriver() {
  try {
    if (!session_.empty()) call("DELETE", session_);
  } catch (const std::exception&) {
    // The browser is gone already.
  }
  end();
}

void WebDriver::end() {
  ::kill(-pid_, SIGTERM);
  ::waitpid(pid_, nullptr, 0);
  ::close(output_);
}

Json WebDriver::call(const std::string& method, const std::string& path, const Json& body) {
  const std::string text = method == "POST" ? dump_json(body.is_null() ? Json::object() : body) : "";
  const auto response = client_->request(method, path, text);
  Json value = response.json().at("value");
  if (response.status == 200) return value;
  throw std::runtime_error(cat(path, ": ", value.value("error", ""), ": ", value.value("message", "").substr(0, 600)));
}

Json WebDriver::command(const std::string& name, Json params) {
  return call("POST", cat(session_, "/goog/cdp/execute"), {{"cmd", name}, {"params", std::move(params)}});
}

void WebDriver::new_page(int width_px, int height_px, bool dark) {
  const bool phone = width_px < 600;
  go("about:blank");
  set_offline(false);
  command("Emulation.setCPUThrottlingRate", {{"rate", slow()}});
  command("Network.clearBrowserCookies", Json::object());
  command("Emulation.setDeviceMetricsOverride", {{"width", width_px},
                                                 {"height", height_px},
                                                 {"screenWidth", width_px},
                                                 {"screenHeight", height_px},
                                                 {"deviceScaleFactor", 1},
                                                 {"mobile", phone}});
  command("Emulation.setTouchEmulationEnabled", {{"enabled", phone}});
  command("Emulation.setEmulatedMedia",
          {{"features", Json::array({{{"name", "prefers-color-scheme"}, {"value", dark ? "dark" : "light"}},
                                     {{"name", "prefers-reduced-motion"}, {"value", "reduce"}}})}});
  read_logs();
  problems_.clear();
  requests_.clear();
}

void WebDriver::go(const std::string& url) {
  call("POST", cat(session_, "/url"), {{"url", url}});
}

void WebDriver::on_every_page(const std::string& script) {
  command("Page.addScriptToEvaluateOnNewDocument", {{"source", script}});
}

Json WebDriver::evaluate(const std::string& expression) {
  return call("POST", cat(session_, "/execute/sync"),
              {{"script", cat("return (", expression, ");")}, {"args", Json::array()}});
}

void WebDriver::run(const std::string& script) {
  call("POST", cat(session_, "/execute/sync"), {{"script", script}, {"args", Json::array()}});
}

void WebDriver::wait_for(const std::string& expression, std::chrono::milliseconds deadline) {
  const auto end = std::chrono::steady_clock::now() + slow() * deadline;
  const std::string question =
      cat("(async () => { for (let looks = ", kLookMs / kLookEveryMs, "; looks > 0; --looks) { if (await (", expression,
          ")) return true; await new Promise((go) => setTimeout(go, ", kLookEveryMs, ")); } return false; })()");
  while (!holds(question)) {
    if (std::chrono::steady_clock::now() > end) {
      std::string seen;
      for (const std::string& problem : problems())
        seen += cat("\n", problem);
      throw std::runtime_error(cat("the page never had ", expression, "; it shows: ",
                                   evaluate("document.body.innerText").get<std::string>().substr(0, 1500), seen));
    }
  }
}

bool WebDriver::holds(const std::string& question) {
  try {
    return evaluate(question) == true;
  } catch (const std::runtime_error& error) {
    // The page went while it was asked: the next one is.
    const std::string_view said = error.what();
    const bool left = said.find("unloaded") != said.npos || said.find("navigat") != said.npos ||
                      said.find("context was destroyed") != said.npos;
    if (!left) throw;
    return false;
  }
}

void WebDriver::click(const std::string& selector) {
  const Json found =
      evaluate(cat("((found) => { found?.scrollIntoView({block: 'center', behavior: 'instant'}); return found; })(",
                   "document.querySelector(", Json(selector).dump(), "))"));
  if (found.is_null()) throw std::runtime_error(cat("there is no ", selector, " to click"));
  call("POST", cat(session_, "/element/", found.begin().value().get<std::string>(), "/click"));
}

void WebDriver::keys(const std::vector<std::string>& values) {
  Json actions = Json::array();
  for (const std::string& value : values) {
    actions.push_back({{"type", "keyDown"}, {"value", value}});
    actions.push_back({{"type", "keyUp"}, {"value", value}});
  }
  Json keyboard{{"type", "key"}, {"id", "keyboard"}, {"actions", std::move(actions)}};
  call("POST", cat(session_, "/actions"), {{"actions", Json::array({std::move(keyboard)})}});
}

void WebDriver::type(const std::string& text) {
  keys(characters(text));
}

void WebDriver::paste(const std::string& text) {
  command("Input.insertText", {{"text", text}});
}

void WebDriver::choose_files(const std::string& selector, const std::vector<std::filesystem::path>& files) {
  const Json found = evaluate(cat("document.querySelector(", Json(selector).dump(), ")"));
  if (found.is_null()) throw std::runtime_error(cat("there is no ", selector, " for a file"));
  std::string names;
  for (const auto& file : files)
    names += cat(names.empty() ? "" : "\n", file.string());
  call("POST", cat(session_, "/element/", found.begin().value().get<std::string>(), "/value"), {{"text", names}});
}

void WebDriver::save_downloads_in(const std::filesystem::path& folder) {
  command("Browser.setDownloadBehavior", {{"behavior", "allow"}, {"downloadPath", folder.string()}});
}

void WebDriver::press(const std::string& key) {
  keys({key_of(key)});
}

void WebDriver::screenshot(const std::filesystem::path& file) {
  std::filesystem::create_directories(file.parent_path());
  const Json answer = command("Page.captureScreenshot", {{"format", "png"}, {"captureBeyondViewport", true}});
  write_file_atomic(file, from_base64(answer.at("data")));
}

void WebDriver::set_offline(bool offline) {
  command("Network.enable", Json::object());
  command("Network.emulateNetworkConditions", {{"offline", offline},
                                               {"latency", kLatencyMs * (slow() - 1)},
                                               {"downloadThroughput", -1},
                                               {"uploadThroughput", -1}});
}

void WebDriver::read_logs() {
  for (const Json& entry : call("POST", cat(session_, "/se/log"), {{"type", "browser"}})) {
    const std::string source = entry.value("source", ""), level = entry.value("level", "");
    const bool bad = source == "security" || (level == "SEVERE" && source != "network");
    if (bad) problems_.push_back(entry.value("message", ""));
  }
  for (const Json& entry : call("POST", cat(session_, "/se/log"), {{"type", "performance"}})) {
    const Json message = Json::parse(entry.at("message").get<std::string>()).at("message");
    if (message.value("method", "") != "Network.requestWillBeSent") continue;
    requests_.push_back(message.at("params").at("request").at("url"));
  }
}

std::vector<std::string> WebDriver::problems() {
  read_logs();
  return problems_;
}

std::vector<std::string> WebDriver::requests() {
  read_logs();
  return requests_;
}

}  // namespace afina
