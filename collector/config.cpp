// SPDX-License-Identifier: Apache-2.0
#include "collector/config.h"

#include <sys/stat.h>

#include <cstdlib>
#include <set>

#include "base/cat.h"
#include "base/file.h"

namespace afina::collector {
namespace {

constexpr size_t kMaxConfigBytes = 1 << 20;
constexpr size_t kMaxKeyBytes = 16 * 1024;

bool has_upstream(const CollectorConfig& config, const std::string& name) {
  for (const auto& upstream : config.upstreams) {
    if (upstream.name == name) return true;
  }
  return false;
}

/// What can be told without asking for a name's addresses; those are checked at every call.
void check_address(const UpstreamConfig& upstream, const std::string& where, std::vector<std::string>& problems) {
  try {
    const http::Target target = http::parse_target(upstream.base_url);
    if (target.path.find('?') != std::string::npos) {
      problems.push_back(cat(where, "base_url must have no query, but got \"", upstream.base_url, "\""));
    }
    if (http::is_address(target.host)) http::guard_target(upstream.base_url, address_policy(upstream));
  } catch (const http::AddressRefused&) {
    problems.push_back(cat(where, "base_url leads into a private network (allow_private permits it)"));
  } catch (const UsageError& error) {
    problems.push_back(cat(where, error.what()));
  }
}

void check_upstream(const UpstreamConfig& upstream, std::vector<std::string>& problems) {
  const std::string where = cat("upstream \"", upstream.name, "\": ");
  if (upstream.name.empty() || upstream.name.size() > 100) {
    problems.push_back(cat(where, "name must have 1 to 100 bytes"));
  }
  if (!upstream.base_url.starts_with("http://") && !upstream.base_url.starts_with("https://")) {
    problems.push_back(cat(where, "base_url must be http:// or https://, but got \"", upstream.base_url, "\""));
  } else {
    check_address(upstream, where, problems);
  }
  if (!upstream.api_key_env.empty() && !upstream.api_key_file.empty()) {
    problems.push_back(cat(where, "api_key_env and api_key_file exclude each other"));
  }
  for (const std::string& problem : range_problems(upstream))
    problems.push_back(where + problem);
}

}  // namespace

std::string_view to_string(Pairing pairing) {
  switch (pairing) {
    case Pairing::random:
      return "random";
    case Pairing::self:
      return "self";
    case Pairing::base_vs_adapter:
      return "base_vs_adapter";
    case Pairing::informative:
      return "informative";
  }
  return "";
}

bool from_string(std::string_view text, Pairing& out) {
  for (const Pairing pairing : {Pairing::random, Pairing::self, Pairing::base_vs_adapter, Pairing::informative}) {
    if (text != to_string(pairing)) continue;
    out = pairing;
    return true;
  }
  return false;
}

void read_config_file(CollectorConfig& config, const std::string& path) {
  Json object = parse_json(read_file(path, kMaxConfigBytes), path, {.max_depth = 8, .allow_comments = true});
  if (object.is_object() && object.contains("upstreams")) {
    const Json list = object["upstreams"];
    object.erase("upstreams");
    if (!list.is_array()) throw UsageError(cat("[", path, "] upstreams must be a list, but is not."));
    for (const Json& entry : list) {
      UpstreamConfig upstream;
      read_config(upstream, entry, cat(path, " upstreams[", config.upstreams.size(), "]"));
      config.upstreams.push_back(std::move(upstream));
    }
  }
  read_config(config, object, path);
}

UpstreamConfig parse_upstream_flag(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    throw UsageError(cat("[--upstream] must be NAME=URL[,key=value]…, but got \"", text, "\"."));
  }
  UpstreamConfig upstream;
  upstream.name = text.substr(0, equals);
  size_t from = equals + 1, comma = std::min(text.find(',', from), text.size());
  upstream.base_url = text.substr(from, comma - from);
  while (comma < text.size()) {
    from = comma + 1;
    comma = std::min(text.find(',', from), text.size());
    set_field_from_text(upstream, text.substr(from, comma - from), "--upstream");
  }
  return upstream;
}

void validate(const CollectorConfig& config) {
  std::vector<std::string> problems = range_problems(config);
  if (config.upstreams.empty()) problems.push_back("there must be an upstream, but there is none");
  std::set<std::string> names;
  for (const auto& upstream : config.upstreams) {
    check_upstream(upstream, problems);
    if (!names.insert(upstream.name).second) problems.push_back(cat("upstream \"", upstream.name, "\" is named twice"));
  }
  if (config.pairing == Pairing::base_vs_adapter) {
    for (const auto& [key, name] : {std::pair{"base", config.base}, std::pair{"adapter", config.adapter}}) {
      if (!has_upstream(config, name)) problems.push_back(cat(key, " must name an upstream, but got \"", name, "\""));
    }
  }
  if (problems.empty()) return;
  std::string all;
  for (const std::string& problem : problems)
    all += (all.empty() ? "" : "; ") + problem;
  throw UsageError(cat("[collector config] must be usable, but ", all, "."),
                   "--upstream NAME=URL names a model behind an OpenAI-compatible server");
}

http::AddressPolicy address_policy(const UpstreamConfig& upstream) {
  const std::string host = http::parse_target(upstream.base_url).host;
  const bool loopback =
      http::is_address(host) ? http::address_kind(host) == http::AddressKind::loopback : host == "localhost";
  return {.allow_loopback = loopback, .allow_private = upstream.allow_private};
}

bool takes_programs(const CollectorConfig& config) {
  return config.api_visits.value_or(!config.allow_remote && config.public_hosts.empty());
}

std::string read_api_key(const UpstreamConfig& upstream) {
  std::string key;
  if (!upstream.api_key_env.empty()) {
    const char* value = std::getenv(upstream.api_key_env.c_str());
    if (value == nullptr || *value == '\0') {
      throw UsageError(cat("[upstream \"", upstream.name, "\"] must find its key in the environment variable ",
                           upstream.api_key_env, ", but it is not set."));
    }
    key = value;
  } else if (!upstream.api_key_file.empty()) {
    struct stat status {};
    if (::stat(upstream.api_key_file.c_str(), &status) == 0 && (status.st_mode & 077) != 0) {
      throw UsageError(cat("[", upstream.api_key_file, "] must be readable by its owner only, but others can read it."),
                       "chmod 600");
    }
    key = read_file(upstream.api_key_file, kMaxKeyBytes);
  }
  const size_t end = key.find_last_not_of(" \t\r\n");
  return end == std::string::npos ? "" : key.substr(0, end + 1);
}

}  // namespace afina::collector
