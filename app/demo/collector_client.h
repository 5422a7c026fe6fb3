// SPDX-License-Identifier: Apache-2.0
// One visitor of the collector as a program: consent, conversations with blind pairs, judgements. Everything goes
// through the public HTTP API; docs/api.md describes it.
#pragma once
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/json.h"
#include "http/client.h"

namespace afina::app {

/// A pair as the API shows it: no model names, sides in this visitor's random order.
struct ShownPair {
  std::string exposure, locale, prompt;
  std::string left, right;
};

/// What a message was answered with.
struct AskedPair {
  std::string conversation_id;
  int answers = 0;  ///< whole ones
};

/// Thread-safe after construction.
class CollectorVisitor {
 public:
  /// Gives consent to every purpose of the text in that language, as a visitor of kind demo. annotator: pseudonym, or
  /// "" for somebody who only asks. Throws UpstreamError where the collector refuses.
  CollectorVisitor(const std::string& base_url, const std::string& locale, const std::string& annotator);

  /// Starts a conversation and waits until both answers are committed. pairing: "self", "random" or "base_vs_adapter".
  AskedPair ask(const std::string& locale, const std::string& text, const std::string& pairing,
                std::stop_token stop) const;
  /// A pair this visitor has not judged, or nothing.
  std::optional<ShownPair> next_pair() const;
  /// outcome: "-3" … "3" (positive: left is better), "both_good", "both_bad". Returns after the commit.
  void vote(const std::string& exposure, const std::string& outcome, int64_t ms_to_decide) const;
  /// The code that withdraws everything of this visitor.
  const std::string& receipt_code() const { return receipt_code_; }

 private:
  http::ClientResponse send(const std::string& method, const std::string& path, const Json& body,
                            std::stop_token stop = {}) const;

  http::Client client_;
  std::string token_, receipt_code_;
};

}  // namespace afina::app
