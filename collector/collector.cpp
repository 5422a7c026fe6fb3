// SPDX-License-Identifier: Apache-2.0
#include "collector/collector.h"

#include "base/cat.h"
#include "base/log.h"

namespace afina::collector {
namespace {

/// Requests of one address over all visitors: many people may share one.
constexpr double kAddressPerSecond = 20, kAddressBurst = 100;
/// The page's files, apart from what people do: a first visit loads all of them and its worker once more, some hundred
/// requests, and a school or an office stands behind one address.
constexpr double kPagePerSecond = 200, kPageBurst = 2000;
/// Visits and receipt codes of one address: a code has 100 bits, this keeps guessing and floods out of the logs.
constexpr double kDoorPerSecond = 0.5, kDoorBurst = 60;
/// Each download reads for as long as its receiver takes, through one of the connections that the database sets apart
/// (storage/pool.h): as many as there are, of which files of what everybody gave may have half.
constexpr double kExportPerSecond = 1, kExportBurst = 20;
constexpr int kDownloads = 4, kExports = 2;
/// Connections of one address, where strangers reach this server without a proxy: a school fits, a flood does not.
constexpr int kConnectionsPerAddress = 256;
/// Most wait for the database together with others whose votes share a commit: as many as are to share one.
constexpr int kWorkers = 64;

http::ServerOptions server_options(const CollectorConfig& config) {
  http::ServerOptions options;
  options.host = config.host;
  options.port = config.port;
  options.allow_remote = config.allow_remote;
  options.public_hosts = config.public_hosts;
  options.trusted_proxies = config.trusted_proxies;
  options.workers = kWorkers;
  options.max_event_streams = config.max_streams;
  options.max_queue = 128 + config.max_turns;
  options.max_connections = 1024 + config.max_streams;
  options.max_connections_per_address = config.allow_remote ? kConnectionsPerAddress : 0;
  options.max_bodies = kDownloads;
  options.max_body_bytes = 64 * 1024;
  options.large_bodies_need_credentials = true;
  options.openai_below = "/v1/";
  return options;
}

std::unique_ptr<http::RateLimiter> limiter(double per_minute) {
  if (per_minute <= 0) return nullptr;
  return std::make_unique<http::RateLimiter>(per_minute / 60, std::max(1.0, per_minute / 3));
}

const CollectorConfig& checked(const CollectorConfig& config) {
  validate(config);
  return config;
}

}  // namespace

Collector::Collector(CollectorConfig config, storage::Database& database, RandomSource random)
    : config_(checked(config)),
      database_(database),
      random_(std::move(random)),
      consents_(load_consent_documents(config_.operator_name, config_.contact)),
      leaks_(leak_names(config_)),
      informative_(database_, upstream_names(config_)),
      act_rate_(limiter(config_.acts_per_minute)),
      message_rate_(limiter(config_.messages_per_minute)),
      bulk_rate_(limiter(10 * config_.acts_per_minute)),
      visitors_([&database](const std::vector<std::string>& tokens) {
        return database.transaction(
            [&](storage::Transaction& t) { return storage::find_visitors_by_session(t, tokens); },
            {.read_only = true, .generic_plans = true, .workspace = storage::kEveryWorkspace});
      }),
      runner_(config_.max_turns, jobs_),
      services_{config_, database_, random_, consents_, upstreams_, jobs_, informative_, leaks_},
      server_(server_options(config_)),
      routes_(
          server_, [this](const Request& request, const RouteSpec& spec) { return authenticate(request, spec); },
          [this](const Actor& actor, const RouteSpec& spec, const Request& request) { admit(actor, spec, request); },
          [this](const Actor& actor, const RouteSpec& spec, const Request& request, int status) {
            denied(actor, spec, request, status);
          }) {
  for (const UpstreamConfig& upstream : config_.upstreams)
    upstreams_.push_back(std::make_unique<Upstream>(upstream));
  // Without limits (tests, a demo of one's own) the address limit goes too.
  const bool limited = act_rate_ != nullptr;
  server_.add_rate_class({"address", limited ? kAddressPerSecond : 1e9, limited ? kAddressBurst : 1e9});
  server_.add_rate_class({"page", limited ? kPagePerSecond : 1e9, limited ? kPageBurst : 1e9});
  server_.add_rate_class({"export", limited ? kExportPerSecond : 1e9, limited ? kExportBurst : 1e9, kExports});
  server_.add_rate_class({"door", limited ? kDoorPerSecond : 1e9, limited ? kDoorBurst : 1e9});
  add_site();
  add_people();
  add_conversations();
  add_judgement_routes(routes_, services_);
  add_account_routes(routes_, services_);
  add_task_routes(routes_, services_);
  add_event_routes(routes_, services_);
  add_transfer_routes(routes_, services_);
  add_quality_routes(routes_, services_);
  add_proxy_routes(routes_, services_);
}

Collector::~Collector() {
  stop();
}

void Collector::start() {
  server_.start();
  log_info("collector", "serving ", address(), " with ", upstreams_.size(), " upstream(s), pairing ",
           to_string(config_.pairing));
}

void Collector::stop() {
  server_.stop();
  jobs_.stop();
}

http::RouteOptions Collector::options(size_t max_body_bytes, const std::string& rate_class) const {
  http::RouteOptions options;
  options.max_body_bytes = max_body_bytes;
  options.rate_class = rate_class;
  return options;
}

void Collector::person_route(const std::string& method, const std::string& pattern, PersonHandler handler,
                             size_t max_body_bytes) {
  RouteSpec spec{.method = method, .pattern = pattern, .access = kPeople, .scope = "chat"};
  spec.max_body_bytes = max_body_bytes;
  routes_.add(spec, [this, handler](const Actor& actor, const Request& request, Response& response) {
    (this->*handler)(actor.person(), request, response);
  });
}

}  // namespace afina::collector
