// SPDX-License-Identifier: Apache-2.0
#include "collector/own_data.h"

#include <algorithm>

#include "base/cat.h"
#include "base/json.h"
#include "collector/collector.h"
#include "storage/events/own_data.h"

namespace afina::collector {
namespace {

// People may have given something in several workspaces; the fence is the visitor.
const storage::TransactionOptions kEverywhere{.read_only = true, .workspace = storage::kEveryWorkspace};

bool write_kind(storage::Database& database, std::string_view kind, const std::string& visitor_id,
                const std::function<bool(std::string_view)>& write) {
  const auto keys = database.transaction(
      [&](storage::Transaction& t) { return storage::own_data_keys(t, kind, visitor_id); }, kEverywhere);
  const bool one = kind == "account" || kind == "profile";
  std::string text = cat(",\"", kind, one ? "\":" : "\":[");
  bool first = true;
  for (size_t begin = 0; begin < keys.size(); begin += kOwnDataRows) {
    const std::span batch = std::span(keys).subspan(begin, std::min(kOwnDataRows, keys.size() - begin));
    const auto rows = database.transaction(
        [&](storage::Transaction& t) { return storage::own_data_rows(t, kind, visitor_id, batch); }, kEverywhere);
    for (const std::string& row : rows) {
      text += cat(first ? "" : ",\n", row);
      first = false;
    }
    if (!write(text)) return false;
    text.clear();
  }
  if (one && first) text += "null";
  if (!one) text += "]";
  return write(text + "\n");
}

}  // namespace

void write_own_data(storage::Database& database, const storage::Visitor& visitor,
                    const std::function<bool(std::string_view)>& write) {
  const std::string head = dump_json(Json{{"visitor", visitor.id}, {"purposes", visitor.purposes}});
  if (!write(head.substr(0, head.size() - 1))) return;
  for (const std::string_view kind : storage::own_data_kinds()) {
    if (!write_kind(database, kind, visitor.id, write)) return;
  }
  write("}\n");
}

void Collector::export_own(const storage::Visitor& visitor, const Request&, Response& response) {
  response.headers.set("Content-Disposition", "attachment; filename=\"afina.json\"");
  response.stream_body("application/json", [this, visitor](http::BodyWriter& body) {
    write_own_data(database_, visitor, [&](std::string_view bytes) { return body.write(bytes); });
  });
}

}  // namespace afina::collector
