// SPDX-License-Identifier: Apache-2.0
// The routes of `afina serve`: /v1/chat/completions, /v1/completions, /v1/models, /health, in OpenAI's words. Puts
// together the one text path, the catalog of models and the scheduler; owns none of the latter two.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include "http/server.h"
#include "serve/answer.h"
#include "serve/api_keys.h"
#include "serve/chat_request.h"
#include "serve/completion_request.h"
#include "serve/scheduler.h"
#include "text/text_stack.h"

namespace afina::serve {

struct ServiceOptions {
  RequestLimits limits = {};     ///< vocab_size is the tokenizer's, whatever is given
  int64_t context_limit = 2048;  ///< tokens, prompt and answer together
  size_t max_body_bytes = 4 << 20;
  ApiKeys keys = {};
  double requests_per_second = 0;  ///< of one client address, twice as many at once; 0: no limit
};

/// Thread-safe once built. Catalog and scheduler must outlive the server that holds the routes.
class OpenAiService {
 public:
  /// A model without a chat template offers legacy completions only.
  OpenAiService(text::TextStack text, ModelCatalog& catalog, Scheduler& scheduler, ServiceOptions options);
  /// Adds the routes; this object must outlive the server.
  void add_routes(http::Server& server);

 private:
  using Form = std::shared_ptr<const AnswerForm>;
  void chat(const http::Request& request, http::Response& response);
  void complete(const http::Request& request, http::Response& response);
  std::vector<OrderedJson> models() const;
  void model(const std::string& name, http::Response& response) const;
  void health(http::Response& response) const;

  std::shared_ptr<Answer> new_answer(const char* prefix, const std::string& model_name) const;
  Prompt chat_prompt(const ChatRequest& request, Answer& answer) const;
  Prompt raw_prompt(const CompletionRequest& request, size_t index) const;
  void check_length(const Prompt& prompt, const std::string& param) const;
  /// Makes the choices and submits them. raw: null for a chat, else the request, whose answers go on their prompts'
  /// text.
  void begin(Answer& answer, const GenerationRequest& request, const CompletionRequest* raw) const;
  static void tell(std::shared_ptr<Answer> answer, Form form, const GenerationRequest& asked,
                   const http::Request& request, http::Response& response);

  text::TextStack text_;
  std::optional<text::ChatEncoder> encoder_;
  ModelCatalog& catalog_;
  Scheduler& scheduler_;
  ServiceOptions options_;
};

}  // namespace afina::serve
