// SPDX-License-Identifier: Apache-2.0
#include "collector/wire.h"

#include <algorithm>

#include "base/cat.h"
#include "base/log.h"
#include "base/utf8.h"
#include "storage/occupied.h"

namespace afina::collector {
namespace {

[[noreturn]] void bad_field(const std::string& name, const std::string& must) {
  throw refusal(400, "bad_request", cat("[body] ", name, " must be ", must, "."));
}

/// `"":0,`
constexpr size_t kShortestMemberBytes = 5;

/// On all levels, of which a body has 16 at most.
size_t count_keys(const Json& value) {
  size_t keys = value.is_object() ? value.size() : 0;
  for (const Json& inner : value) {
    if (inner.is_structured()) keys += count_keys(inner);
  }
  return keys;
}

ErrorKind kind_of(int status) {
  if (status == 404) return ErrorKind::not_found;
  if (status == 409) return ErrorKind::conflict;
  return status >= 500 ? ErrorKind::storage : ErrorKind::usage;
}

}  // namespace

http::HttpError refusal(int status, const std::string& code, const std::string& message) {
  return {kind_of(status), status, message, code};
}

namespace {

template <typename Act>
void coded(const std::string& request_id, const Act& act) {
  try {
    act();
  } catch (const http::HttpError&) {
    throw;
  } catch (const NotFound& error) {
    throw refusal(404, "not_found", error.what());
  } catch (const storage::TurnTaken& error) {
    throw refusal(409, "busy", error.what());
  } catch (const storage::Occupied& error) {
    throw refusal(409, "conflict", error.what());
  } catch (const Conflict& error) {
    throw refusal(409, "key_reused", error.what());
  } catch (const UsageError& error) {
    throw refusal(400, "bad_request", error.what());
  } catch (const DataError& error) {
    throw http::HttpError(ErrorKind::data, 422, error.what(), "bad_request");
  } catch (const StorageError& error) {
    log_error("collector", "request ", request_id, ": ", error.what());
    throw http::HttpError(ErrorKind::storage, 503, "The store is not available now. Nothing was lost: try again.",
                          "storage", 1);
  }
}

}  // namespace

http::Handler with_codes(http::Handler handler) {
  return [handler = std::move(handler)](const http::Request& request, http::Response& response) {
    coded(request.request_id, [&] { handler(request, response); });
    if (!response.later) return;
    response.later = [id = request.request_id, begin = std::move(response.later)](const http::Reply& reply) {
      coded(id, [&] {
        begin([id, reply](const std::function<void(http::Response&)>& make) {
          reply([&](http::Response& answer) { coded(id, [&] { make(answer); }); });
        });
      });
    };
  };
}

Body::Body(const http::Request& request, std::initializer_list<std::string_view> known, size_t max_keys)
    : json_(request.json()) {
  // Shorter ones have no room for as many; votes and their like are not counted.
  if (request.body.size() > max_keys * kShortestMemberBytes && count_keys(json_) > max_keys) {
    throw refusal(400, "too_long", cat("[body] must have at most ", max_keys, " keys on all levels, but has more."));
  }
  if (!json_.is_object()) throw refusal(400, "bad_request", "[body] must be a JSON object, but is none.");
  for (const auto& [name, value] : json_.items()) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      throw refusal(400, "bad_request",
                    cat("[body] must have known fields only, but has \"", name.substr(0, 60), "\"."));
    }
  }
}

const Json& Body::at(const char* name) const {
  if (!has(name)) bad_field(name, "given");
  return json_.at(name);
}

std::string Body::text(const char* name, size_t max_bytes) const {
  const Json& value = at(name);
  if (!value.is_string()) bad_field(name, "a string");
  std::string text = value.get<std::string>();
  if (text.find('\0') != std::string::npos) bad_field(name, "text without U+0000");
  if (text.size() > max_bytes)
    throw refusal(400, "too_long", cat("[body] ", name, " must be at most ", max_bytes, " bytes."));
  return text;
}

std::string Body::text_or(const char* name, size_t max_bytes, const std::string& otherwise) const {
  return has(name) ? text(name, max_bytes) : otherwise;
}

int64_t Body::whole(const char* name, int64_t minimum, int64_t maximum) const {
  const Json& value = at(name);
  const bool fits = value.is_number_integer() && !(value.is_number_unsigned() && value.get<uint64_t>() > INT64_MAX) &&
                    value.get<int64_t>() >= minimum && value.get<int64_t>() <= maximum;
  if (!fits) bad_field(name, cat("a whole number from ", minimum, " to ", maximum));
  return value.get<int64_t>();
}

bool Body::truth(const char* name) const {
  const Json& value = at(name);
  if (!value.is_boolean()) bad_field(name, "true or false");
  return value.get<bool>();
}

std::vector<std::string> Body::words(const char* name, size_t max_words) const {
  const Json& value = at(name);
  if (!value.is_array() || value.size() > max_words) bad_field(name, cat("a list of at most ", max_words, " words"));
  std::vector<std::string> words;
  for (const Json& word : value) {
    if (!word.is_string() || word.get_ref<const std::string&>().size() > 40) bad_field(name, "a list of words");
    words.push_back(word.get<std::string>());
  }
  return words;
}

std::string idempotency_key(const http::Request& request) {
  const std::string key = request.headers.get("Idempotency-Key");
  const bool plain = std::all_of(key.begin(), key.end(), [](unsigned char c) { return c > 0x20 && c < 0x7f; });
  if (key.empty() || key.size() > 64 || !plain) {
    throw refusal(400, "bad_request", "[Idempotency-Key] must be 1 to 64 printable characters, but is not.");
  }
  return key;
}

std::string require_id(const std::string& text) {
  if (!is_uuid(text)) throw NotFound("[id] must be the id of something of yours, but is none.");
  return text;
}

Verdict parse_verdict(const Json& value) {
  // Beyond 2^63 a whole number would turn negative on its way to int64_t.
  const bool huge = value.is_number_unsigned() && value.get<uint64_t>() > 3;
  if (value.is_number_integer() && !huge && value.get<int64_t>() >= -3 && value.get<int64_t>() <= 3) {
    return {storage::Outcome::graded, value.get<int>()};
  }
  if (value.is_string()) {
    for (const auto outcome :
         {storage::Outcome::both_good, storage::Outcome::both_bad, storage::Outcome::cannot_judge}) {
      if (value.get_ref<const std::string&>() == storage::to_string(outcome)) return {outcome, 0};
    }
  }
  bad_field("outcome", "-3 to 3, \"both_good\", \"both_bad\" or \"cannot_judge\"");
}

Json verdict_json(storage::Outcome outcome, int left_grade) {
  if (outcome == storage::Outcome::graded) return left_grade;
  return std::string(storage::to_string(outcome));
}

}  // namespace afina::collector
