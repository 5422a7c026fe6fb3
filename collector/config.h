// SPDX-License-Identifier: Apache-2.0
// What a collector is told at its start: upstream models, pairing, limits, who is responsible. From a JSON file and
// flags; nothing here touches the network or the database.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/config_fields.h"
#include "http/address_guard.h"

namespace afina::collector {

/// One model behind an OpenAI-compatible server.
struct UpstreamConfig {
  std::string name;  ///< shown to people after the vote; unique
  std::string base_url;
  std::string model;  ///< as the server knows it; "" takes name
  std::string api_key_env;
  std::string api_key_file;
  std::string ca_file;
  double temperature = 0.7;
  double top_p = 0.95;
  int max_tokens = 512;
  int read_seconds = 60;
  int total_seconds = 300;
  int retries = 2;
  bool allow_private = false;
  int breaker_failures = 5;
  int breaker_seconds = 15;
};

template <typename Config, typename Visitor>
requires std::same_as<std::remove_const_t<Config>, UpstreamConfig>
void for_each_field(Config& config, Visitor&& visit) {
  visit("name", config.name, FieldInfo{"shown to people after the vote"});
  visit("base_url", config.base_url, FieldInfo{"http(s)://host[:port][/prefix]; /v1 is added where it is not the end"});
  visit("model", config.model, FieldInfo{"the server's name of the model; default: name"});
  visit("api_key_env", config.api_key_env, FieldInfo{"environment variable that holds the key"});
  visit("api_key_file", config.api_key_file, FieldInfo{"file that holds the key, readable by its owner only"});
  visit("ca_file", config.ca_file, FieldInfo{"certificates to trust instead of the system's"});
  visit("temperature", config.temperature, FieldInfo{"sampling temperature", 0, 2});
  visit("top_p", config.top_p, FieldInfo{"nucleus", 0.001, 1});
  visit("max_tokens", config.max_tokens, FieldInfo{"longest answer in tokens", 1, 32768});
  visit("read_seconds", config.read_seconds, FieldInfo{"longest silence of the model in seconds", 1, 3600});
  visit("total_seconds", config.total_seconds, FieldInfo{"longest answer in seconds", 1, 7200});
  visit("retries", config.retries, FieldInfo{"repeats before the first piece of an answer", 0, 5});
  visit("allow_private", config.allow_private,
        FieldInfo{"the server may stand in a private network; loopback written as such always may"});
  visit("breaker_failures", config.breaker_failures,
        FieldInfo{"failures in a row after which the model is not asked for a while; 0: never", 0, 1000});
  visit("breaker_seconds", config.breaker_seconds, FieldInfo{"that while, doubled with every failed try", 1, 600});
}

/// How the two answers of a pair are chosen. random: two different upstreams where there are two; self: two samples of
/// one; base_vs_adapter: the upstreams named by `base` and `adapter`; informative: those whose vote tells most about
/// the ratings so far.
enum class Pairing { random, self, base_vs_adapter, informative };
std::string_view to_string(Pairing pairing);
bool from_string(std::string_view text, Pairing& out);

struct CollectorConfig {
  std::string host = "127.0.0.1";
  int port = 8080;
  bool allow_remote = false;
  std::vector<std::string> public_hosts;
  std::vector<std::string> trusted_proxies;
  std::string operator_name;
  std::string contact;
  std::string system_prompt;
  Pairing pairing = Pairing::random;
  std::string base;
  std::string adapter;
  std::optional<bool> api_visits;  ///< takes_programs() tells what holds
  int max_streams = 512;
  int max_turns = 64;
  double acts_per_minute = 120;
  double messages_per_minute = 20;
  int stream_head_seconds = 10;
  int feedback_wait_seconds = 10;
  bool webhook_allow_private = false;
  int retention_days_withdrawn = 30;
  int retention_days_events = 30;
  int retention_days_sessions = 180;
  std::vector<UpstreamConfig> upstreams;  ///< read apart: not a field
};

template <typename Config, typename Visitor>
requires std::same_as<std::remove_const_t<Config>, CollectorConfig>
void for_each_field(Config& config, Visitor&& visit) {
  visit("host", config.host, FieldInfo{"address to listen on"});
  visit("port", config.port, FieldInfo{"0 takes a free one", 0, 65535});
  visit("allow_remote", config.allow_remote, FieldInfo{"listen beyond loopback; put TLS in front"});
  visit("public_hosts", config.public_hosts,
        FieldInfo{"names under which a proxy serves the page; makes cookies Secure"});
  visit("trusted_proxies", config.trusted_proxies, FieldInfo{"addresses whose X-Forwarded-For is believed"});
  visit("operator_name", config.operator_name, FieldInfo{"who is responsible, in the consent text"});
  visit("contact", config.contact, FieldInfo{"how to reach them, in the consent text"});
  visit("system_prompt", config.system_prompt, FieldInfo{"first message of every conversation; empty for none"});
  visit("pairing", config.pairing, FieldInfo{"random, self, base_vs_adapter or informative"});
  visit("base", config.base, FieldInfo{"upstream name of the base, for base_vs_adapter"});
  visit("adapter", config.adapter, FieldInfo{"upstream name of the adapter, for base_vs_adapter"});
  visit("api_visits", config.api_visits,
        FieldInfo{"let programs without an account take part as visitors of kind api or demo (default: only where "
                  "no other machine comes in, so without allow_remote and public_hosts)"});
  visit("max_streams", config.max_streams, FieldInfo{"open answer streams at one time", 1, 10000});
  visit("max_turns", config.max_turns,
        FieldInfo{"turns being answered at one time; each is one or two requests to models", 1, 10000});
  visit("acts_per_minute", config.acts_per_minute,
        FieldInfo{"requests a minute of one visitor, burst a third; 0: no limit", 0, 1e6});
  visit("messages_per_minute", config.messages_per_minute,
        FieldInfo{"messages a minute of one visitor, burst a third; 0: no limit", 0, 1e6});
  visit("stream_head_seconds", config.stream_head_seconds,
        FieldInfo{"how long a stream of /v1 waits for the model's first word before it begins, so that a refusal comes "
                  "with its status",
                  0, 60});
  visit("feedback_wait_seconds", config.feedback_wait_seconds,
        FieldInfo{"how long feedback on a comparison waits for the half that is still being written", 0, 60});
  visit("webhook_allow_private", config.webhook_allow_private,
        FieldInfo{"webhooks may lead to this machine and to private networks"});
  visit("retention_days_withdrawn", config.retention_days_withdrawn,
        FieldInfo{"days after which the texts of people who withdrew are erased for good; -1: never", -1, 3650});
  visit("retention_days_events", config.retention_days_events,
        FieldInfo{"days for which events of webhooks are kept; -1: for ever", -1, 3650});
  visit("retention_days_sessions", config.retention_days_sessions,
        FieldInfo{"days for which ended sessions are kept; -1: for ever", -1, 3650});
}

/// Reads a config file over `config`. Throws NotFound, DataError, UsageError naming the file and key.
void read_config_file(CollectorConfig& config, const std::string& path);

/// "NAME=URL[,key=value]…" with the keys of UpstreamConfig. Throws UsageError.
UpstreamConfig parse_upstream_flag(const std::string& text);

/// Throws UsageError with every problem found: no upstream, a name twice, a bad URL, a range, a missing pairing name.
void validate(const CollectorConfig& config);

/// Which addresses an upstream may have: public ones; loopback where its URL says so itself; all where it allows
/// private ones.
http::AddressPolicy address_policy(const UpstreamConfig& upstream);

/// Whether programs without an account may visit: api_visits, and where it is not set, whether only this machine can
/// reach the collector (neither allow_remote nor public_hosts).
bool takes_programs(const CollectorConfig& config);

/// The secret of an upstream, "" where none is configured. Throws UsageError where the variable is unset or the file is
/// readable by others.
std::string read_api_key(const UpstreamConfig& upstream);

}  // namespace afina::collector
