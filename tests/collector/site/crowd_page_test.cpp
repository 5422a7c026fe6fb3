// SPDX-License-Identifier: Apache-2.0
// Many people behind one address, with the limits of a real site: a school, an office, a phone company's gateway. Each
// opens the page for the first time, with all its files and its worker's copies of them.
#include <atomic>

#include "http/server.h"
#include "tests/collector/site/page_world.h"

namespace afina::collector {
namespace {

/// Stands before the collector and hands on what is asked, until it is told to have no hand free for the page's files.
class Door {
 public:
  explicit Door(const std::string& behind) : client_({.base_url = behind, .max_retries = 0}) {
    const std::string worker = client_.get("/sw.js").body;
    const size_t begin = worker.find('{');
    const Json files = parse_json(worker.substr(begin, worker.find(";\n") - begin), "sw.js");
    for (const auto& [path, hash] : files.items())
      hand_on(path, true);
    for (const char* path : {"/sw.js", "/api/{a}", "/api/{a}/{b}"})
      hand_on(path, false);
    server_.start();
  }
  std::string address() const { return server_.address(); }
  void close() { closed_ = true; }
  int refused() const { return refused_; }

 private:
  void hand_on(const std::string& path, bool file) {
    server_.route("GET", path, [this, file](const http::Request& request, http::Response& response) {
      if (file && closed_) {
        ++refused_;
        throw http::HttpError(ErrorKind::usage, 429, "[requests] must come more slowly.", "rate_limited", 1);
      }
      const auto answer = client_.request("GET", request.path, "", {});
      response.set_body(answer.body, answer.headers.get("Content-Type"), answer.status);
      const std::string policy = answer.headers.get("Content-Security-Policy");
      if (!policy.empty()) response.headers.set("Content-Security-Policy", policy);
    });
  }

  http::Client client_;
  std::atomic<bool> closed_{false};
  std::atomic<int> refused_{0};
  http::Server server_;
};

class CrowdPageTest : public PageWorld {
 protected:
  /// The limits of CollectorConfig are off in other tests; one that differs from the default is kept.
  void begin() {
    CollectorConfig config;
    config.acts_per_minute = 121;
    start({"good", "other"}, config);
  }
  void wait_for_worker() { browser().wait_for("navigator.serviceWorker.controller?.state === 'activated'"); }
};

TEST_F(CrowdPageTest, FourFirstVisitsInARowFromOneAddressAllGetTheWholePage) {
  begin();
  for (int person = 0; person < 4; ++person) {
    wire();  // another port is another origin: nothing is kept of those who came before
    browser().new_page(1024, 768);
    browser().go(cat(address(), "/"));
    browser().wait_for("document.querySelector('[data-ready=consent] #consent-title')");
    wait_for_worker();
    for (const std::string& problem : browser().problems())
      ADD_FAILURE() << "person " << person << ": " << problem;
  }
}

TEST_F(CrowdPageTest, AFileThatTheServerHasNoHandForComesFromTheDevice) {
  begin();
  Door door(collector_->address());
  browser().new_page(1024, 768);
  browser().go(cat(door.address(), "/"));
  browser().wait_for("document.querySelector('[data-ready=consent] #consent-title')");
  wait_for_worker();
  door.close();
  reload();
  browser().wait_for("document.querySelector('[data-ready=consent] #consent-title')");
  EXPECT_GT(door.refused(), 10) << "what the page begins with was asked for and refused";
}

}  // namespace
}  // namespace afina::collector
