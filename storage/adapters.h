// SPDX-License-Identifier: Apache-2.0
// Adapters by name: where their files are, what they were trained from, what they may be put on.
#pragma once
#include <string>
#include <vector>

#include "storage/types.h"

namespace afina::storage {

class Transaction;

struct Adapter {
  std::string id = new_uuid();
  std::string name;    ///< unique; the model name under which it is served
  std::string run_id;  ///< empty: from elsewhere
  std::string path;    ///< PEFT folder
  std::string sha256;  ///< of its numbers
  std::string base_model, base_sha256;
  std::string parent_id;  ///< adapter it started from; may be empty
  int64_t r = 0;
  double lora_alpha = 0.0;
  std::vector<std::string> target_modules;
  std::string template_sha256;  ///< chat template it was trained with
  Time created_at{};
};
/// The same name with the same numbers and path returns the stored row; otherwise Conflict.
Adapter register_adapter(Transaction& t, const Adapter& adapter);
std::vector<Adapter> list_adapters(Transaction& t);  ///< newest first
/// By name, id or an unambiguous beginning of the id (8 characters or more). Throws NotFound.
Adapter get_adapter(Transaction& t, const std::string& name_or_id);
std::optional<Adapter> find_adapter(Transaction& t, const std::string& name);

}  // namespace afina::storage
