// SPDX-License-Identifier: Apache-2.0
#include "text/convert/gguf_vocabulary.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "text/convert/pre_names.h"
#include "text/hf_folder.h"

namespace afina::text {
namespace {

constexpr size_t kMaxTokenizerBytes = size_t{128} << 20;
constexpr int64_t kMaxVocabularySize = int64_t{1} << 20;
constexpr int32_t kNormal = 1, kUnknown = 2, kControl = 3, kUserDefined = 4, kUnused = 5, kByte = 6;

const Json& field(const Json& object, const char* name) {
  static const Json null;
  return object.is_object() && object.contains(name) ? object[name] : null;
}

bool looks_special(const std::string& token) {
  return token.starts_with("<|") && token.ends_with("|>");
}

bool is_byte_token(const std::string& token) {
  return token.size() == 6 && token.starts_with("<0x") && token.back() == '>';
}

// SentencePiece's mark for a space is a plain space in GGUF's user-defined tokens.
std::string with_spaces(const std::string& token) {
  static constexpr std::string_view kMark = "\xe2\x96\x81";
  std::string out;
  size_t begin = 0;
  for (size_t at = token.find(kMark); at != std::string::npos; at = token.find(kMark, begin)) {
    out.append(token, begin, at - begin);
    out.push_back(' ');
    begin = at + kMark.size();
  }
  return out.append(token, begin);
}

class Converter {
 public:
  Converter(const std::filesystem::path& folder, int64_t vocab_size)
      : path_((folder / "tokenizer.json").string()),
        json_(parse_json(read_file(path_, kMaxTokenizerBytes), path_)),
        files_(read_hf_text_files(folder)) {
    if (!json_.is_object()) fail("must be a JSON object, but is not.");
    if (vocab_size < 1 || vocab_size > kMaxVocabularySize)
      fail(cat("needs a vocabulary of 1 to ", kMaxVocabularySize, " rows, but the model has ", vocab_size, "."));
    out_.tokens.resize(static_cast<size_t>(vocab_size));
    out_.token_types.resize(static_cast<size_t>(vocab_size), kUnused);
  }

  GgufVocabulary run() {
    const Json& model = field(json_, "model");
    const bool sentence_piece = field(model, "byte_fallback") == true;
    out_.model = sentence_piece ? "llama" : "gpt2";
    out_.pre = sentence_piece ? "default" : pre_name_of(json_, path_);
    read_vocab(field(model, "vocab"));
    read_added_tokens();
    if (sentence_piece) {
      read_scores(field(model, "merges"));
      mark_sentence_piece_types(model);
    } else {
      for (const auto& [left, right] : merge_pairs(field(model, "merges"), path_))
        out_.merges.push_back(cat(left, " ", right));
    }
    for (size_t id = 0; id < out_.tokens.size(); ++id)
      if (out_.tokens[id].empty()) out_.tokens[id] = cat("[PAD", id, "]");
    name_special_tokens(model);
    read_post_processor(field(json_, "post_processor"));
    out_.chat_template = files_.chat_template;
    return std::move(out_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw ModelError(cat("[", path_, "] ", what)); }

  void put(const std::string& token, int64_t id, int32_t type) {
    if (id < 0 || id >= static_cast<int64_t>(out_.tokens.size()))
      fail(cat("token ids must lie below the model's ", out_.tokens.size(), " rows, but one is ", id, "."));
    out_.tokens[static_cast<size_t>(id)] = token;
    out_.token_types[static_cast<size_t>(id)] = type;
    ids_[token] = static_cast<int32_t>(id);
  }

  std::optional<int32_t> find(const std::string& token) const {
    const auto it = ids_.find(token);
    return it == ids_.end() ? std::nullopt : std::optional<int32_t>(it->second);
  }

  void read_vocab(const Json& vocab) {
    if (!vocab.is_object() || vocab.empty()) fail("model.vocab must be an object of tokens (BPE), but is not.");
    for (const auto& [token, id] : vocab.items()) {
      if (!id.is_number_integer()) fail("model.vocab must map tokens to ids, but one is no number.");
      put(token, id.get<int64_t>(), kNormal);
    }
  }

  void read_added_tokens() {
    for (const Json& token : field(json_, "added_tokens")) {
      const Json& content = field(token, "content");
      if (!content.is_string() || !field(token, "id").is_number_integer())
        fail("added tokens must have content and id, but one has not.");
      const auto text = content.get<std::string>();
      if (text.empty()) continue;
      const int64_t id = find(text) ? *find(text) : token["id"].get<int64_t>();
      const bool control = field(token, "special") == true || looks_special(text);
      put(text, id, control ? kControl : kUserDefined);
      if (!control) out_.tokens[static_cast<size_t>(id)] = with_spaces(text);
    }
  }

  // llama.cpp merges the pair whose joined token has the highest score; merges.json's order says the same.
  void read_scores(const Json& merges) {
    out_.scores.assign(out_.tokens.size(), 0.0F);
    float rank = 0;
    for (const auto& [left, right] : merge_pairs(merges, path_)) {
      const auto id = find(left + right);
      if (!id) fail(cat("merges must make tokens of the vocabulary, but '", left, "' + '", right, "' is none."));
      rank += 1;
      float& score = out_.scores[static_cast<size_t>(*id)];
      if (score == 0.0F) score = -rank;
    }
    const float last = -rank - 1;
    for (size_t id = 0; id < out_.tokens.size(); ++id)
      if (out_.token_types[id] == kNormal && out_.scores[id] == 0.0F) out_.scores[id] = last;
  }

  void mark_sentence_piece_types(const Json& model) {
    const Json& unk = field(model, "unk_token");
    for (size_t id = 0; id < out_.tokens.size(); ++id) {
      if (is_byte_token(out_.tokens[id])) out_.token_types[id] = kByte;
      if (unk.is_string() && out_.tokens[id] == unk.get<std::string>()) out_.token_types[id] = kUnknown;
    }
    const std::string normalizer = dump_json(field(json_, "normalizer")),
                      pre = dump_json(field(json_, "pre_tokenizer"));
    out_.add_space_prefix = normalizer.find("Prepend") != std::string::npos ||
                            pre.find("\"always\"") != std::string::npos || pre.find("\"first\"") != std::string::npos ||
                            pre.find("\"add_prefix_space\":true") != std::string::npos;
  }

  void name_special_tokens(const Json& model) {
    const auto id_of = [&](const char* name) -> std::optional<int32_t> {
      const auto it = files_.special_tokens.find(name);
      return it == files_.special_tokens.end() ? std::nullopt : find(it->second);
    };
    out_.bos_id = id_of("bos_token");
    out_.eos_id = id_of("eos_token");
    out_.pad_id = id_of("pad_token");
    out_.unk_id = id_of("unk_token");
    if (!out_.unk_id && field(model, "unk_token").is_string())
      out_.unk_id = find(field(model, "unk_token").get<std::string>());
    if (!out_.eos_id && !files_.eos_ids.empty()) out_.eos_id = files_.eos_ids.front();
  }

  void read_post_processor(const Json& processor) {
    out_.add_bos = out_.add_bos || files_.add_bos;
    for (const Json& part : field(processor, "processors"))
      read_post_processor(part);
    if (field(processor, "type") != "TemplateProcessing") return;
    bool text_seen = false;
    for (const Json& item : field(processor, "single")) {
      if (item.contains("Sequence")) text_seen = true;
      const Json& name = field(field(item, "SpecialToken"), "id");
      if (!name.is_string()) continue;
      auto& slot = text_seen ? out_.eos_id : out_.bos_id;
      if (!slot) slot = find(name.get<std::string>());
      (text_seen ? out_.add_eos : out_.add_bos) = true;
    }
  }

  std::string path_;
  Json json_;
  HfTextFiles files_;
  GgufVocabulary out_;
  std::map<std::string, int32_t> ids_;
};

}  // namespace

GgufVocabulary gguf_vocabulary_from_hf(const std::filesystem::path& folder, int64_t vocab_size) {
  return Converter(folder, vocab_size).run();
}

}  // namespace afina::text
