// SPDX-License-Identifier: Apache-2.0
#include "text/hf_folder.h"

#include "base/cat.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

namespace afina::text {

namespace {

constexpr size_t kMaxConfigBytes = size_t{16} << 20;

Json read_object(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return Json::object();
  Json json = parse_json(read_file(path, kMaxConfigBytes), path.string());
  if (!json.is_object()) throw DataError(cat("[", path.string(), "] must be a JSON object, but is not"));
  return json;
}

// "<s>" or {"content": "<s>", …}, as transformers writes either.
std::string token_text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_object() && value.contains("content") && value["content"].is_string()) {
    return value["content"].get<std::string>();
  }
  return "";
}

// A string, or a list of named templates: "default" and, for chats with tools, "tool_use".
void read_templates(const Json& config, const std::string& where, HfTextFiles& files) {
  if (!config.contains("chat_template") || config["chat_template"].is_null()) return;
  const Json& value = config["chat_template"];
  if (value.is_string()) {
    files.chat_template = value.get<std::string>();
    return;
  }
  const auto named = [&](const char* name) {
    if (value.is_object()) return value.value(name, Json());
    for (const auto& item : value) {
      if (item.is_object() && item.value("name", Json()) == name) return item.value("template", Json());
    }
    return Json();
  };
  const Json plain = value.is_structured() ? named("default") : Json();
  const Json tools = value.is_structured() ? named("tool_use") : Json();
  if (!plain.is_string()) {
    throw DataError(cat("[", where, "] chat_template must be text or a list with one named 'default', but is neither"));
  }
  files.chat_template = plain.get<std::string>();
  if (tools.is_string()) files.tool_template = tools.get<std::string>();
}

void read_eos(const Json& config, const std::string& where, std::vector<int32_t>& ids) {
  if (!config.contains("eos_token_id") || config["eos_token_id"].is_null()) return;
  const Json& value = config["eos_token_id"];
  const Json list = value.is_array() ? value : Json::array({value});
  for (const auto& id : list) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() > INT32_MAX) {
      throw DataError(cat("[", where, "] eos_token_id must be token ids, but is ", dump_json(value)));
    }
    ids.push_back(id.get<int32_t>());
  }
}

}  // namespace

HfTextFiles read_hf_text_files(const std::filesystem::path& folder) {
  HfTextFiles files;
  const auto config_path = folder / "tokenizer_config.json";
  const Json config = read_object(config_path);
  for (const char* name :
       {"bos_token", "eos_token", "pad_token", "unk_token", "sep_token", "cls_token", "mask_token"}) {
    const std::string text = config.contains(name) ? token_text(config[name]) : "";
    if (!text.empty()) files.special_tokens[name] = text;
  }
  files.add_bos = config.value("add_bos_token", Json()) == true;
  read_templates(config, config_path.string(), files);
  std::error_code ignored;
  if (const auto path = folder / "chat_template.jinja"; std::filesystem::exists(path, ignored)) {
    files.chat_template = read_file(path, kMaxConfigBytes);
    files.tool_template.clear();
    const auto more = folder / "additional_chat_templates" / "tool_use.jinja";
    if (std::filesystem::exists(more, ignored)) files.tool_template = read_file(more, kMaxConfigBytes);
  }
  for (const char* name : {"generation_config.json", "config.json"}) {
    if (files.eos_ids.empty()) read_eos(read_object(folder / name), (folder / name).string(), files.eos_ids);
  }
  return files;
}

}  // namespace afina::text
