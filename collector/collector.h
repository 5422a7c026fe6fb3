// SPDX-License-Identifier: Apache-2.0
// The collector: serves the page and its API, keeps what people say in PostgreSQL, asks upstream models for answers.
// Everything acknowledged was committed before. Own room for the API's rules; HTTP, SQL and models are other rooms'.
// The API is described in docs/api.md.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "collector/config.h"
#include "collector/consent_texts.h"
#include "collector/judgements/informative.h"
#include "collector/judgements/leak.h"
#include "collector/live_turn.h"
#include "collector/pairing.h"
#include "collector/route_table.h"
#include "collector/services.h"
#include "collector/session_memory.h"
#include "collector/shared_reads.h"
#include "collector/upstream.h"
#include "collector/wire.h"
#include "http/rate_limiter.h"
#include "http/server.h"
#include "storage/database.h"
#include "storage/people.h"

namespace afina::collector {

struct TurnContext;
struct ConsentForm;

/// Thread-safe once started. The database outlives it.
class Collector {
 public:
  /// Throws UsageError for a config that cannot work.
  Collector(CollectorConfig config, storage::Database& database, RandomSource random = random_u32);
  ~Collector();
  Collector(const Collector&) = delete;
  Collector& operator=(const Collector&) = delete;

  void start();
  /// Refuses new requests, lets answers that are being written be committed as interrupted. Idempotent.
  void stop();
  int port() const { return server_.port(); }
  std::string address() const { return server_.address(); }
  /// Every route with who may use it.
  const std::vector<RouteSpec>& routes() const { return routes_.specs(); }

 private:
  using Request = http::Request;
  using Response = http::Response;
  /// A person's request: session known, rate checked.
  using PersonHandler = void (Collector::*)(const storage::Visitor&, const Request&, Response&);
  using OpenHandler = void (Collector::*)(const Actor&, const Request&, Response&);

  void add_site();           // routes_site.cpp
  void add_people();         // routes_people.cpp
  void add_conversations();  // routes_conversations.cpp
  void person_route(const std::string& method, const std::string& pattern, PersonHandler handler,
                    size_t max_body_bytes = 8 * 1024);
  http::RouteOptions options(size_t max_body_bytes, const std::string& rate_class = "address") const;

  // session.cpp
  std::string session_token(const Request& request) const;
  void set_session(Response& response, const std::string& token) const;
  std::optional<storage::Visitor> find_visitor(const Request& request);
  Actor authenticate(const Request& request, const RouteSpec& spec);
  void admit(const Actor& actor, const RouteSpec& spec, const Request& request);
  void denied(const Actor& actor, const RouteSpec& spec, const Request& request, int status);
  std::string cookie_name() const;

  void consent(const Actor& actor, const Request& request, Response& response);
  void begin_visit(const Actor& actor, const Request& request, Response& response);
  void attach_visit(const Actor& actor, const ConsentForm& form, storage::NewVisitor visitor, const Request& request,
                    Response& response);
  void session(const Actor& actor, const Request& request, Response& response);
  void withdraw(const Actor& actor, const Request& request, Response& response);
  void end_session(const storage::Visitor& visitor, const Request& request, Response& response);
  void change_consent(const storage::Visitor& visitor, const Request& request, Response& response);
  /// own_data.cpp
  void export_own(const storage::Visitor& visitor, const Request& request, Response& response);

  void list_conversations(const storage::Visitor& visitor, const Request& request, Response& response);
  void create_conversation(const storage::Visitor& visitor, const Request& request, Response& response);
  void show_conversation(const storage::Visitor& visitor, const Request& request, Response& response);
  void send_message(const storage::Visitor& visitor, const Request& request, Response& response);
  void retry_turn(const storage::Visitor& visitor, const Request& request, Response& response);
  void follow_turn(const storage::Visitor& visitor, const Request& request, Response& response);
  /// The stream of a turn that is running, from that event on, or of one that has ended, whole. Throws NotFound where
  /// it is not of that conversation or that not theirs, HttpError 409 busy where its models are about to be asked.
  void stream_begun(const storage::Visitor& visitor, const std::string& conversation_id, const std::string& turn_id,
                    Response& response, const std::string& from_event = "");
  /// judgements/regenerate.cpp
  void regenerate_turn(const storage::Visitor& visitor, const Request& request, Response& response);

  /// answering.cpp
  std::shared_ptr<LiveTurn> start_turn(const TurnContext& context, std::vector<ChatMessage> history, int answers,
                                       Pairing pairing, std::shared_ptr<void> place);

  CollectorConfig config_;
  storage::Database& database_;
  RandomSource random_;
  std::map<std::string, ConsentDocument> consents_;
  std::vector<std::unique_ptr<Upstream>> upstreams_;
  LeakDetector leaks_;
  InformativePairs informative_;
  std::unique_ptr<http::RateLimiter> act_rate_, message_rate_, bulk_rate_;  // null: no limit
  /// Session tokens to visitors: every request asks, so that those of one moment share a query.
  SharedReads<std::string, std::optional<storage::Visitor>> visitors_;
  SessionMemory sessions_;
  AnswerJobs jobs_;
  TurnRunner runner_;
  Services services_;
  http::Server server_;  // its threads use all of the above
  RouteTable routes_;    // handlers refer to it; no request runs once the server is gone
};

}  // namespace afina::collector
