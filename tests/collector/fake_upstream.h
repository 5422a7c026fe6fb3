// SPDX-License-Identifier: Apache-2.0
// An OpenAI-compatible server whose models behave well or badly by name: good, other, held (waits until opened), afina,
// hostile, empty, refuse, busy, nonsense, html, cut, mute, echo and echo_late (errors that repeat what was sent).
#pragma once
#include <condition_variable>
#include <mutex>
#include <vector>

#include "http/server.h"

namespace afina::collector {

class FakeUpstream {
 public:
  FakeUpstream() {
    server_.route("POST", "/v1/chat/completions", [this](const http::Request& request, http::Response& response) {
      answer(request.json(), std::string(request.headers.get("Authorization")), response);
    });
    server_.start();
  }
  ~FakeUpstream() { open(); }

  std::string url() const { return server_.address(); }
  /// Lets the models "held" and "mute" go on.
  void open() {
    {
      const std::lock_guard lock(mutex_);
      open_ = true;
    }
    changed_.notify_all();
  }
  void close() {
    const std::lock_guard lock(mutex_);
    open_ = false;
  }
  /// Waits until the model "held" was asked that often.
  bool wait_for_held(int count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return held_ >= count; });
  }
  std::vector<Json> requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  static std::string text_of(const std::string& model) {
    if (model == "hostile") {
      return "<img src=x onerror=\"document.title='hacked'\"><script>document.title='hacked'</script> "
             "![x](https://evil.example/p.png) [link](javascript:alert(1)) **fuerte** \xE2\x80\xAE"
             "reversed\n\n- uno\n- dos\n\n```\n<b>code</b>\n```";
    }
    return model == "other" ? "Otra respuesta: primero mide la harina y después el agua."
                            : "Una respuesta útil: usa una olla de hierro con tapa, ¡ñandú incluido!";
  }

 private:
  static Json echo(const std::string& what) {
    return {{"error", {{"message", "refused: " + what}, {"type", "content_filter"}, {"code", "Ana 12.345.678-5"}}}};
  }

  void answer(const Json& body, const std::string& key, http::Response& response) {
    const std::string model = body.at("model");
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(body);
      if (model == "held") ++held_;
    }
    changed_.notify_all();
    if (model == "refuse") return response.set_json(Json{{"error", {{"message", "no"}}}}, 400);
    if (model == "broken") return response.set_json(Json{{"error", {{"message", "boom"}}}}, 500);
    if (model == "busy") return response.set_json(Json{{"error", {{"message", "later"}}}}, 429);
    if (model == "echo") return response.set_json(echo(key + body.dump()), 400);
    if (model == "echo_late") {
      return response.stream([said = echo(key + body.dump())](http::SseWriter& writer) { writer.send(said.dump()); });
    }
    if (model == "html") return response.set_body("<h1>Welcome</h1>", "text/html");
    response.stream([this, model](http::SseWriter& writer) { write(model, writer); });
  }

  void write(const std::string& model, http::SseWriter& writer) {
    const auto delta = [&](const std::string& text) {
      writer.send(Json{{"choices", {{{"index", 0}, {"delta", {{"content", text}}}}}}}.dump());
    };
    if (model == "mute") return wait_open(writer);
    if (model == "nonsense") {
      delta("Hola");
      writer.send("{not json");
      return;
    }
    const std::string text = text_of(model);
    if (model != "empty") delta(text.substr(0, 3));
    if (model == "held") wait_open(writer);
    if (model == "cut") return;
    if (model != "empty") delta(text.substr(3));
    Json last{{"choices", {{{"index", 0}, {"delta", Json::object()}, {"finish_reason", "stop"}}}}};
    if (model == "afina") {
      last["afina"] = {{"prompt_ids", {1, 2}},
                       {"completion_ids", {3, 4}},
                       {"template_sha256", std::string(64, 'b')},
                       {"base_sha256", std::string(64, 'c')},
                       {"adapter_id", new_uuid()}};
    }
    writer.send(last.dump());
    writer.send(R"({"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":5}})");
    writer.send("[DONE]");
  }

  void wait_open(http::SseWriter& writer) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, writer.stop_token(), [&] { return open_; });
  }

  std::mutex mutex_;
  std::condition_variable_any changed_;
  bool open_ = false;
  int held_ = 0;
  std::vector<Json> requests_;
  http::Server server_{[] {
    http::ServerOptions options;
    options.max_streams = 256;
    return options;
  }()};
};

}  // namespace afina::collector
