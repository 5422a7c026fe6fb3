// SPDX-License-Identifier: Apache-2.0
// Tokenizer from tokenizer.json (huggingface/tokenizers): only what byte-level BPE of the known families uses; every
// component that would change ids and is not known here is refused by name.
#include <unordered_map>

#include "base/cat.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"
#include "text/hf_folder.h"
#include "text/vocabulary.h"

namespace afina::text {

namespace {

constexpr size_t kMaxTokenizerBytes = size_t{128} << 20;

class HfReader {
 public:
  HfReader(Json json, std::string where) : json_(std::move(json)), where_(std::move(where)) {
    vocabulary_.where = where_;
  }

  Tokenizer::Vocabulary read(const HfTextFiles& files) {
    if (!json_.is_object()) refuse("", "a JSON object", json_);
    read_model();
    read_added_tokens();
    read_normalizer();
    read_pre_tokenizer();
    read_decoder();
    name_special_tokens(files);
    read_post_processor(field(json_, "post_processor"));
    vocabulary_.end_ids = files.eos_ids;
    return std::move(vocabulary_);
  }

 private:
  [[noreturn]] void refuse(const std::string& part, const std::string& wanted, const Json& got) const {
    std::string shown = dump_json(got);
    if (shown.size() > 200) shown = repair_utf8(shown.substr(0, 200)) + "…";
    throw ModelError(cat("[", where_, "] ", part, " must be ", wanted, ", but is ", shown));
  }

  // Null where missing.
  static const Json& field(const Json& object, const char* name) {
    static const Json null;
    if (!object.is_object()) return null;
    const auto it = object.find(name);
    return it == object.end() ? null : *it;
  }
  static std::string type_of(const Json& component) {
    const Json& type = field(component, "type");
    return type.is_string() ? type.get<std::string>() : "";
  }
  bool flag(const Json& component, const char* name, bool fallback, const std::string& part) const {
    const Json& value = field(component, name);
    if (value.is_null()) return fallback;
    if (!value.is_boolean()) refuse(cat(part, ".", name), "true or false", value);
    return value.get<bool>();
  }

  void read_model() {
    const Json& model = field(json_, "model");
    if (!model.is_object() || (!type_of(model).empty() && type_of(model) != "BPE")) refuse("model", "BPE", model);
    for (const char* name : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      const Json& value = field(model, name);
      if (!value.is_null() && value != "") refuse(cat("model.", name), "empty", value);
    }
    if (flag(model, "byte_fallback", false, "model")) refuse("model.byte_fallback", "false", true);
    const Json& dropout = field(model, "dropout");
    if (!dropout.is_null() && dropout != 0) refuse("model.dropout", "null", dropout);
    vocabulary_.ignore_merges = flag(model, "ignore_merges", false, "model");
    read_vocab(field(model, "vocab"));
    read_merges(field(model, "merges"));
    const Json& unk = field(model, "unk_token");
    if (unk.is_string()) vocabulary_.unk_id = find(unk.get<std::string>());
  }

  void put(const std::string& token, int64_t id, TokenKind kind) {
    if (id < 0 || id >= static_cast<int64_t>(kMaxVocabulary)) {
      refuse("a token id", cat("0 … ", kMaxVocabulary - 1), id);
    }
    const auto index = static_cast<size_t>(id);
    if (index >= vocabulary_.tokens.size()) {
      vocabulary_.tokens.resize(index + 1);
      vocabulary_.kinds.resize(index + 1, TokenKind::unused);
    }
    if (vocabulary_.kinds[index] != TokenKind::unused && vocabulary_.tokens[index] != token) {
      throw ModelError(cat("[", where_, "] token id ", id, " must name one token, but names '",
                           repair_utf8(vocabulary_.tokens[index]), "' and '", repair_utf8(token), "'"));
    }
    vocabulary_.tokens[index] = token;
    vocabulary_.kinds[index] = kind;
    ids_[token] = static_cast<int32_t>(id);
  }

  std::optional<int32_t> find(const std::string& token) const {
    const auto it = ids_.find(token);
    return it == ids_.end() ? std::nullopt : std::optional<int32_t>(it->second);
  }

  void read_vocab(const Json& vocab) {
    if (!vocab.is_object() || vocab.empty()) refuse("model.vocab", "an object of tokens", vocab);
    for (const auto& [token, id] : vocab.items()) {
      if (!id.is_number_integer()) refuse(cat("model.vocab['", repair_utf8(token), "']"), "an id", id);
      put(token, id.get<int64_t>(), TokenKind::normal);
    }
  }

  void read_merges(const Json& merges) {
    if (!merges.is_array()) refuse("model.merges", "a list", merges);
    for (const auto& merge : merges) {
      if (merge.is_string()) {
        vocabulary_.merges.push_back(merge.get<std::string>());
      } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
        vocabulary_.merges.push_back(merge[0].get<std::string>() + " " + merge[1].get<std::string>());
      } else {
        refuse("a merge", "'a b' or [a, b]", merge);
      }
    }
  }

  void read_added_tokens() {
    const Json& added = field(json_, "added_tokens");
    if (added.is_null()) return;
    if (!added.is_array()) refuse("added_tokens", "a list", added);
    for (const auto& token : added) {
      const Json& content = field(token, "content");
      const Json& id = field(token, "id");
      if (!content.is_string() || !id.is_number_integer())
        refuse("an added token", "an object with id, content", token);
      const auto text = content.get<std::string>();
      if (text.empty()) continue;
      for (const char* name : {"single_word", "lstrip", "rstrip"}) {
        if (flag(token, name, false, "added_tokens")) refuse(cat("added token '", text, "' ", name), "false", true);
      }
      const bool special = flag(token, "special", false, "added_tokens");
      // The model's own id wins over the one written here, as in Hugging Face tokenizers.
      put(text, find(text).value_or(id.get<int32_t>()), special ? TokenKind::control : TokenKind::user_defined);
    }
  }

  void read_normalizer() const {
    const Json& normalizer = field(json_, "normalizer");
    const Json& parts = field(normalizer, "normalizers");
    if (normalizer.is_null() || (type_of(normalizer) == "Sequence" && parts.is_array() && parts.empty())) return;
    refuse("normalizer", "null", normalizer);
  }

  void read_pre_tokenizer() {
    const Json& whole = field(json_, "pre_tokenizer");
    std::vector<Json> parts;
    if (type_of(whole) == "Sequence" && field(whole, "pretokenizers").is_array()) {
      for (const auto& part : field(whole, "pretokenizers"))
        parts.push_back(part);
    } else {
      parts.push_back(whole);
    }
    const std::string part = "pre_tokenizer";
    const Json& last = parts.empty() ? whole : parts.back();
    if (parts.empty() || parts.size() > 2 || type_of(last) != "ByteLevel") {
      refuse(part, "ByteLevel, Digits then ByteLevel, or Split then ByteLevel", whole);
    }
    if (flag(last, "add_prefix_space", true, part)) refuse(cat(part, ".add_prefix_space"), "false", true);
    const bool uses_regex = flag(last, "use_regex", true, part);
    if (parts.size() == 1) {
      if (!uses_regex) refuse(cat(part, ".use_regex"), "true", false);
      vocabulary_.rule = SplitRule::gpt2;
    } else if (type_of(parts[0]) == "Digits") {
      if (!uses_regex || !flag(parts[0], "individual_digits", false, part)) {
        refuse(part, "individual digits, then ByteLevel with its pattern", whole);
      }
      vocabulary_.rule = SplitRule::smollm;
    } else {
      if (uses_regex) refuse(cat(part, ".use_regex"), "false after Split", true);
      vocabulary_.rule = split_rule(parts[0]);
    }
  }

  SplitRule split_rule(const Json& split) const {
    const Json& pattern = field(field(split, "pattern"), "Regex");
    if (type_of(split) == "Split" && field(split, "behavior") == "Isolated" &&
        !flag(split, "invert", false, "pre_tokenizer")) {
      if (pattern == kLlama3Pattern) return SplitRule::llama3;
      if (pattern == kQwen2Pattern) return SplitRule::qwen2;
      if (pattern == kGpt2Pattern) return SplitRule::gpt2;
    }
    refuse("pre_tokenizer", "Split, Isolated, by the pattern of GPT-2, Llama 3 or Qwen2", split);
  }

  void read_decoder() const {
    const Json& decoder = field(json_, "decoder");
    if (type_of(decoder) != "ByteLevel") refuse("decoder", "ByteLevel", decoder);
  }

  void name_special_tokens(const HfTextFiles& files) {
    const auto id_of = [&](const char* name) -> std::optional<int32_t> {
      const auto it = files.special_tokens.find(name);
      return it == files.special_tokens.end() ? std::nullopt : find(it->second);
    };
    vocabulary_.bos_id = id_of("bos_token");
    vocabulary_.eos_id = id_of("eos_token");
    vocabulary_.pad_id = id_of("pad_token");
    if (!vocabulary_.eos_id && !files.eos_ids.empty()) vocabulary_.eos_id = files.eos_ids.front();
  }

  void read_post_processor(const Json& processor) {
    const std::string type = type_of(processor);
    if (processor.is_null() || type == "ByteLevel") return;
    if (type == "Sequence" && field(processor, "processors").is_array()) {
      for (const auto& part : field(processor, "processors"))
        read_post_processor(part);
      return;
    }
    const Json& single = field(processor, "single");
    if (type != "TemplateProcessing" || !single.is_array()) {
      refuse("post_processor", "null, ByteLevel or TemplateProcessing", processor);
    }
    bool text_seen = false;
    for (const auto& item : single) {
      if (item.contains("Sequence")) {
        text_seen = true;
        continue;
      }
      const Json& name = field(field(item, "SpecialToken"), "id");
      const auto id = name.is_string() ? find(name.get<std::string>()) : std::nullopt;
      auto& slot = text_seen ? vocabulary_.eos_id : vocabulary_.bos_id;
      if (!id || (slot && *slot != *id)) refuse("post_processor.single", "BOS, text, EOS", single);
      slot = id;
      (text_seen ? vocabulary_.add_eos : vocabulary_.add_bos) = true;
    }
  }

  Json json_;
  std::string where_;
  Tokenizer::Vocabulary vocabulary_;
  std::unordered_map<std::string, int32_t> ids_;
};

}  // namespace

Tokenizer load_hf_tokenizer(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "tokenizer.json";
  Json json = parse_json(read_file(path, kMaxTokenizerBytes), path.string());
  return Tokenizer(HfReader(std::move(json), path.string()).read(read_hf_text_files(folder)));
}

}  // namespace afina::text
