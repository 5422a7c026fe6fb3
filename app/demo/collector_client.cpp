// SPDX-License-Identifier: Apache-2.0
#include "app/demo/collector_client.h"

#include "base/error.h"
#include "base/uuid.h"

namespace afina::app {
namespace {

http::ClientOptions options(const std::string& base_url) {
  http::ClientOptions out;
  out.base_url = base_url;
  return out;
}

// The last event of a turn's stream carries the turn as it was committed.
Json last_turn(const std::string& stream) {
  Json turn;
  http::SseParser parser([&](const http::SseEvent& event) {
    if (event.event == "done" || event.event == "error") turn = parse_json(event.data, "event");
    return true;
  });
  parser.push(stream);
  return turn;
}

}  // namespace

CollectorVisitor::CollectorVisitor(const std::string& base_url, const std::string& locale, const std::string& annotator)
    : client_(options(base_url)) {
  const Json consent = client_.get_json("/api/consent/" + locale);
  Json purposes = Json::array();
  for (const auto& purpose : consent.at("purposes"))
    purposes.push_back(purpose.at("id"));
  Json body = {{"locale", locale},
               {"consent_version", consent.at("version")},
               {"consent_sha256", consent.at("sha256")},
               {"purposes", purposes},
               {"adult", true},
               {"kind", "demo"}};
  if (!annotator.empty()) body["annotator"] = annotator;
  const Json visit = client_.post_json("/api/visits", body);
  token_ = visit.at("session_token");
  receipt_code_ = visit.at("receipt_code");
}

http::ClientResponse CollectorVisitor::send(const std::string& method, const std::string& path, const Json& body,
                                            std::stop_token stop) const {
  http::Headers headers;
  headers.set("Authorization", "Bearer " + token_);
  headers.set("Idempotency-Key", new_uuid());
  auto response = client_.request(method, path, dump_json(body), headers, stop);
  if (response.status < 200 || response.status > 299) {
    throw StorageError(cat("[app.demo] the collector must accept ", method, " ", path, ", but answered ",
                           response.status, ": ", response.body.substr(0, 300)));
  }
  return response;
}

AskedPair CollectorVisitor::ask(const std::string& locale, const std::string& text, const std::string& pairing,
                                std::stop_token stop) const {
  AskedPair asked;
  asked.conversation_id =
      send("POST", "/api/conversations", {{"locale", locale}, {"mode", "arena"}, {"source", "demo"}}, stop)
          .json()
          .at("id");
  const auto stream = send("POST", "/api/conversations/" + asked.conversation_id + "/messages",
                           {{"text", text}, {"answers", 2}, {"pairing", pairing}}, stop);
  const Json turn = last_turn(stream.body);
  if (!turn.is_object() || !turn.contains("answers")) {
    throw StorageError(
        cat("[app.demo] a turn must end with its answers, but the stream said: ", stream.body.substr(0, 300)));
  }
  for (const auto& answer : turn.at("answers"))
    asked.answers += answer.value("error", Json()).is_null() ? 1 : 0;
  return asked;
}

std::optional<ShownPair> CollectorVisitor::next_pair() const {
  const Json json = send("POST", "/api/pairs/next", Json::object()).json();
  const Json pair = json.at("pair");
  if (pair.is_null()) return std::nullopt;
  ShownPair shown{pair.at("exposure"), pair.at("locale"), "", "", ""};
  for (const auto& message : pair.at("prompt"))
    shown.prompt = message.at("content");
  for (const auto& answer : pair.at("answers"))
    (answer.at("side") == "a" ? shown.left : shown.right) = answer.at("text");
  return shown;
}

void CollectorVisitor::vote(const std::string& exposure, const std::string& outcome, int64_t ms_to_decide) const {
  const bool graded = outcome.find_first_not_of("-0123456789") == std::string::npos;
  send("POST", "/api/votes",
       {{"exposure", exposure},
        {"outcome", graded ? Json(std::stoi(outcome)) : Json(outcome)},
        {"ms_to_decide", ms_to_decide}});
}

}  // namespace afina::app
