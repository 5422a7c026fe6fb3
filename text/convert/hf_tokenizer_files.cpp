// SPDX-License-Identifier: Apache-2.0
#include "text/convert/hf_tokenizer_files.h"

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "formats/gguf.h"
#include "text/convert/pre_names.h"

namespace afina::text {
namespace {

constexpr int64_t kUnknown = 2, kControl = 3, kUserDefined = 4;
constexpr const char* kSpaceMark = "\xe2\x96\x81";

class Writer {
 public:
  explicit Writer(const formats::GgufFile& file) : file_(file), where_(file.path().string()) {
    for (const auto token : file.strings("tokenizer.ggml.tokens"))
      tokens_.emplace_back(token);
    types_ = file.find_integers("tokenizer.ggml.token_type").value_or(std::vector<int64_t>(tokens_.size(), 1));
    if (tokens_.empty() || types_.size() != tokens_.size())
      throw ModelError(cat("[", where_, "] tokenizer.ggml.tokens and token_type must be equally many, but are ",
                           tokens_.size(), " and ", types_.size(), "."));
    for (size_t id = 0; id < tokens_.size(); ++id)
      ids_.emplace(tokens_[id], id);
  }

  OrderedJson tokenizer() const {
    const std::string_view model = file_.string("tokenizer.ggml.model");
    OrderedJson out = {
        {"version", "1.0"}, {"truncation", nullptr}, {"padding", nullptr}, {"added_tokens", added_tokens()}};
    if (model == "gpt2") {
      const PreComponents pre = pre_components(file_.find_string("tokenizer.ggml.pre").value_or(""), where_);
      out["normalizer"] = pre.normalizer;
      out["pre_tokenizer"] = pre.pre_tokenizer;
      out["post_processor"] = post_processor();
      out["decoder"] = {{"type", "ByteLevel"}, {"add_prefix_space", true}, {"trim_offsets", true}, {"use_regex", true}};
      OrderedJson merges = OrderedJson::array();
      for (const auto merge : file_.strings("tokenizer.ggml.merges"))
        merges.push_back(std::string(merge));
      out["model"] = bpe(std::move(merges), false, pre.ignore_merges);
    } else if (model == "llama") {
      out["normalizer"] = sentence_piece_normalizer();
      out["pre_tokenizer"] = nullptr;
      out["post_processor"] = post_processor();
      out["decoder"] = sentence_piece_decoder();
      out["model"] = bpe(sentence_piece_merges(), true, false);
    } else {
      throw ModelError(cat("[", where_, "] tokenizer.ggml.model must be gpt2 or llama, but is '", model, "'."));
    }
    return out;
  }

  OrderedJson config(int64_t max_positions) const {
    OrderedJson out = {{"tokenizer_class", "PreTrainedTokenizerFast"}};
    for (const auto& [name, token] : named_tokens())
      out[name] = token;
    out["add_bos_token"] = adds("bos");
    out["add_eos_token"] = adds("eos");
    out["clean_up_tokenization_spaces"] = false;
    out["model_max_length"] = max_positions;
    return out;
  }

  std::vector<std::pair<std::string, std::string>> named_tokens() const {
    std::vector<std::pair<std::string, std::string>> out;
    for (const auto& [name, key] :
         {std::pair{"bos_token", "bos"}, {"eos_token", "eos"}, {"unk_token", "unknown"}, {"pad_token", "padding"}})
      if (const auto id = id_of(key)) out.emplace_back(name, tokens_[*id]);
    return out;
  }

 private:
  std::optional<size_t> id_of(const char* name) const {
    const auto id = file_.find_integer(cat("tokenizer.ggml.", name, "_token_id"));
    if (!id || *id < 0 || *id >= static_cast<int64_t>(tokens_.size())) return std::nullopt;
    return static_cast<size_t>(*id);
  }
  bool adds(const char* what) const {
    const bool llama3 = file_.find_string("tokenizer.ggml.pre").value_or("").starts_with("llama");
    const bool by_default =
        std::string_view(what) == "bos" && (llama3 || file_.string("tokenizer.ggml.model") == "llama");
    return file_.find_boolean(cat("tokenizer.ggml.add_", what, "_token")).value_or(by_default);
  }

  OrderedJson added_tokens() const {
    OrderedJson out = OrderedJson::array();
    for (size_t id = 0; id < tokens_.size(); ++id) {
      if (types_[id] != kControl && types_[id] != kUserDefined && types_[id] != kUnknown) continue;
      out.push_back({{"id", id},
                     {"content", tokens_[id]},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", types_[id] != kUserDefined}});
    }
    return out;
  }

  OrderedJson bpe(OrderedJson merges, bool sentence_piece, bool ignore_merges) const {
    OrderedJson vocab = OrderedJson::object();
    auto& object = vocab.get_ref<OrderedJson::object_t&>();
    object.reserve(tokens_.size());
    for (size_t id = 0; id < tokens_.size(); ++id)
      if (ids_.at(tokens_[id]) == id) object.emplace_back(tokens_[id], id);
    OrderedJson unk = nullptr;
    if (const auto id = id_of("unknown"); sentence_piece && id) unk = tokens_[*id];
    return {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", unk},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", sentence_piece},
            {"byte_fallback", sentence_piece},
            {"ignore_merges", ignore_merges},
            {"vocab", std::move(vocab)},
            {"merges", std::move(merges)}};
  }

  OrderedJson post_processor() const {
    const bool bos = adds("bos") && id_of("bos"), eos = adds("eos") && id_of("eos");
    if (!bos && !eos) return nullptr;
    OrderedJson single = OrderedJson::array(), pair = OrderedJson::array(), specials = OrderedJson::object();
    const auto token = [&](const char* name, int type) {
      const std::string& text = tokens_[*id_of(name)];
      specials[text] = {{"id", text}, {"ids", {*id_of(name)}}, {"tokens", {text}}};
      return OrderedJson{{"SpecialToken", {{"id", text}, {"type_id", type}}}};
    };
    const auto sequence = [](const char* id, int type) {
      return OrderedJson{{"Sequence", {{"id", id}, {"type_id", type}}}};
    };
    for (const auto& [id, type] : {std::pair{"A", 0}, {"B", 1}}) {
      for (OrderedJson* list : {&single, &pair}) {
        if (list == &single && type == 1) continue;
        if (bos) list->push_back(token("bos", type));
        list->push_back(sequence(id, type));
        if (eos) list->push_back(token("eos", type));
      }
    }
    return {{"type", "TemplateProcessing"}, {"single", single}, {"pair", pair}, {"special_tokens", specials}};
  }

  OrderedJson sentence_piece_normalizer() const {
    OrderedJson replace = {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", kSpaceMark}};
    if (!file_.find_boolean("tokenizer.ggml.add_space_prefix").value_or(true)) return replace;
    return {{"type", "Sequence"},
            {"normalizers", OrderedJson::array({{{"type", "Prepend"}, {"prepend", kSpaceMark}}, replace})}};
  }

  OrderedJson sentence_piece_decoder() const {
    OrderedJson parts = OrderedJson::array();
    parts.push_back({{"type", "Replace"}, {"pattern", {{"String", kSpaceMark}}}, {"content", " "}});
    parts.push_back({{"type", "ByteFallback"}});
    parts.push_back({{"type", "Fuse"}});
    if (file_.find_boolean("tokenizer.ggml.add_space_prefix").value_or(true))
      parts.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
    return {{"type", "Sequence"}, {"decoders", parts}};
  }

  // Every way to make a token from two others, best score first; of equal scores, lower ids first.
  OrderedJson sentence_piece_merges() const {
    const std::vector<float> scores = file_.numbers("tokenizer.ggml.scores");
    if (scores.size() != tokens_.size())
      throw ModelError(cat("[", where_, "] tokenizer.ggml.scores must be as many as tokens (", tokens_.size(),
                           "), but are ", scores.size(), "."));
    struct Merge {
      float score;
      size_t left, right;
    };
    std::vector<Merge> merges;
    for (size_t id = 0; id < tokens_.size(); ++id) {
      if (types_[id] != 1) continue;
      const std::string& token = tokens_[id];
      if (token.size() > 1024) continue;
      for (size_t cut = 1; cut < token.size(); ++cut) {
        if ((static_cast<unsigned char>(token[cut]) & 0xC0) == 0x80) continue;
        const auto left = ids_.find(token.substr(0, cut)), right = ids_.find(token.substr(cut));
        if (left == ids_.end() || right == ids_.end()) continue;
        if (types_[left->second] == 1 && types_[right->second] == 1)
          merges.push_back({scores[id], left->second, right->second});
      }
    }
    std::stable_sort(merges.begin(), merges.end(), [](const Merge& a, const Merge& b) {
      return a.score != b.score ? a.score > b.score : std::pair(a.left, a.right) < std::pair(b.left, b.right);
    });
    OrderedJson out = OrderedJson::array();
    for (const Merge& merge : merges)
      out.push_back({tokens_[merge.left], tokens_[merge.right]});
    return out;
  }

  const formats::GgufFile& file_;
  std::string where_;
  std::vector<std::string> tokens_;
  std::vector<int64_t> types_;
  std::unordered_map<std::string, size_t> ids_;
};

}  // namespace

std::map<std::string, std::string> hf_tokenizer_files(const formats::GgufFile& file, int64_t max_positions) {
  const Writer writer(file);
  std::map<std::string, std::string> files;
  files["tokenizer.json"] = dump_json(writer.tokenizer(), 2) + "\n";
  files["tokenizer_config.json"] = dump_json(writer.config(max_positions), 2) + "\n";
  OrderedJson named = OrderedJson::object();
  for (const auto& [name, token] : writer.named_tokens())
    named[name] = token;
  files["special_tokens_map.json"] = dump_json(named, 2) + "\n";
  if (const auto source = file.find_string("tokenizer.chat_template"))
    files["chat_template.jinja"] = std::string(*source);
  return files;
}

}  // namespace afina::text
