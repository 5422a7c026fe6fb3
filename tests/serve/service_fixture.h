// SPDX-License-Identifier: Apache-2.0
// The routes over real HTTP, with a decoder that recites a text.
#pragma once
#include <gtest/gtest.h>

#include "http/client.h"
#include "serve/openai_service.h"
#include "tests/serve/fakes.h"

namespace afina::serve {

class NoAdapter final : public model::Adapter {
 public:
  int64_t saved_width(int, model::Site) const override { return 0; }
  void add_forward(int, model::Site, const at::Tensor&, at::Tensor&, at::Tensor*, const model::DropoutKey&,
                   const at::Tensor*) const override {}
  void backward(int, model::Site, const at::Tensor&, const at::Tensor&, const at::Tensor&, at::Tensor*, at::Tensor&,
                const model::DropoutKey&, const at::Tensor*) const override {}
  int first_layer() const override { return 0; }
};

class ServiceTest : public ::testing::Test {
 protected:
  explicit ServiceTest(ServiceOptions options = {.context_limit = 400})
      : catalog_(
            {"base", "feedbeef0123456789", 5}, {{"fixed", "", "/fixed", "", "", 0}}, [this] { return source(); },
            [](const AdapterEntry&) { return std::make_shared<NoAdapter>(); }),
        scheduler_(std::make_unique<RecitingDecoder>(recital_), {.max_slots = 4, .max_waiting = 4}),
        service_(stack_, catalog_, scheduler_, std::move(options)) {
    service_.add_routes(server_);
    server_.start();
  }
  std::vector<AdapterEntry> source() {
    std::lock_guard lock(mutex_);
    if (source_fails_) throw StorageError("[storage] is down.");
    return registered_;
  }
  http::Client client() const {
    http::ClientOptions options;
    options.base_url = server_.address();
    options.max_retries = 0;
    return http::Client(options);
  }
  static std::string words_of(const Json& ids) {
    std::string text;
    for (const int id : ids.get<std::vector<int>>())
      text += id < 256 ? std::string(1, static_cast<char>(id)) : id == kStartId ? "<" : ">";
    return text;
  }
  static Json ask(const std::string& words, const Json& more = Json::object()) {
    Json body{{"model", "base"}, {"messages", {{{"role", "user"}, {"content", words}}}}};
    body.update(more);
    return body;
  }
  std::vector<Json> stream(const Json& body, const std::string& path = "/v1/chat/completions") {
    std::vector<Json> chunks;
    bool done = false;
    client().post_stream(path, body, [&](const http::SseEvent& event) {
      done = event.data == "[DONE]";
      if (!done) chunks.push_back(Json::parse(event.data));
      return true;
    });
    EXPECT_TRUE(done);
    return chunks;
  }

  std::shared_ptr<Recital> recital_ = std::make_shared<Recital>();
  std::mutex mutex_;
  std::vector<AdapterEntry> registered_;
  bool source_fails_ = false;
  text::TextStack stack_ = byte_stack();
  ModelCatalog catalog_;
  Scheduler scheduler_;
  OpenAiService service_;
  http::Server server_{http::ServerOptions{.error_form = http::ErrorForm::openai}};
};

}  // namespace afina::serve
