// SPDX-License-Identifier: Apache-2.0
// The routes of `afina serve`: /v1/chat/completions, /v1/models, /health, in OpenAI's words. Puts together the one text
// path, the catalog of models and the scheduler; owns none of them.
#pragma once
#include <memory>

#include "http/server.h"
#include "serve/chat_request.h"
#include "serve/model_catalog.h"
#include "serve/scheduler.h"
#include "text/chat_encoder.h"

namespace afina::serve {

struct ChatServiceOptions {
  ChatLimits limits;
  int64_t context_limit = 2048;  ///< tokens, prompt and answer together
  size_t max_body_bytes = 4 << 20;
};

/// Thread-safe once built. Catalog and scheduler must outlive the server that holds the routes.
class ChatService {
 public:
  ChatService(text::ChatEncoder encoder, ModelCatalog& catalog, Scheduler& scheduler, ChatServiceOptions options);
  /// Adds the routes; this object must outlive the server.
  void add_routes(http::Server& server);

 private:
  struct Answer;
  void chat(const http::Request& request, http::Response& response);
  std::shared_ptr<Answer> begin(const ChatRequest& request) const;
  void answer_whole(Answer& answer, const http::Request& request, http::Response& response) const;
  void answer_stream(Answer& answer, http::SseWriter& writer) const;
  void models(http::Response& response) const;
  void health(http::Response& response) const;

  text::ChatEncoder encoder_;
  ModelCatalog& catalog_;
  Scheduler& scheduler_;
  ChatServiceOptions options_;
};

}  // namespace afina::serve
