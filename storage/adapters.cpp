// SPDX-License-Identifier: Apache-2.0
#include "storage/adapters.h"

#include "base/error.h"
#include "storage/row_readers.h"
#include "storage/transaction.h"

namespace afina::storage {
namespace {

constexpr const char* kSelect = "SELECT adapter.*, to_json(target_modules) AS modules FROM adapter ";

}  // namespace

Adapter register_adapter(Transaction& t, const Adapter& adapter) {
  t.exec(
      "INSERT INTO adapter (id, name, run_id, path, sha256, base_model, base_sha256, parent_id, r, lora_alpha, "
      "target_modules, template_sha256) VALUES ($1::uuid, $2, $3::uuid, $4, $5, $6, $7, $8::uuid, $9::integer, "
      "$10::double precision, $11::text[], $12) ON CONFLICT DO NOTHING",
      Params()
          .text(adapter.id)
          .text(adapter.name)
          .text_or_null(adapter.run_id)
          .text(adapter.path)
          .text(adapter.sha256)
          .text(adapter.base_model)
          .text(adapter.base_sha256)
          .text_or_null(adapter.parent_id)
          .integer(adapter.r)
          .real(adapter.lora_alpha)
          .texts(adapter.target_modules)
          .text(adapter.template_sha256));
  const std::optional<Adapter> stored = find_adapter(t, adapter.name);
  if (!stored || stored->sha256 != adapter.sha256 || stored->path != adapter.path) {
    throw Conflict(cat("[storage.adapters] adapter '", adapter.name,
                       "' must be new or the same files, but the name or id is taken by another."),
                   "choose another name");
  }
  return *stored;
}

std::vector<Adapter> list_adapters(Transaction& t) {
  std::vector<Adapter> out;
  const Result rows = t.exec(cat(kSelect, "ORDER BY id DESC"));
  for (size_t i = 0; i < rows.size(); ++i) {
    out.push_back(read_adapter(rows[i]));
  }
  return out;
}

Adapter get_adapter(Transaction& t, const std::string& name_or_id) {
  const Result rows = t.exec(cat(kSelect, "WHERE ", kNamed), Params().text(name_or_id));
  return read_adapter(only_named(rows, name_or_id, "an adapter"));
}

std::optional<Adapter> find_adapter(Transaction& t, const std::string& name) {
  const Result rows = t.exec(cat(kSelect, "WHERE name = $1"), Params().text(name));
  return rows.empty() ? std::nullopt : std::optional<Adapter>(read_adapter(rows.one()));
}

}  // namespace afina::storage
