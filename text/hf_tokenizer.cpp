// SPDX-License-Identifier: Apache-2.0
// Tokenizer from tokenizer.json (huggingface/tokenizers): BPE models with every component around them; what would
// change ids and is not known is refused by name.
#include <algorithm>
#include <unordered_map>

#include "base/cat.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"
#include "text/hf_components.h"
#include "text/hf_folder.h"
#include "text/vocabulary.h"

namespace afina::text {

namespace {

constexpr size_t kMaxTokenizerBytes = size_t{128} << 20;
constexpr size_t kMaxTemplatePieces = 64;

class HfReader {
 public:
  HfReader(const Json& json, const std::string& where) : file_(json, where, "") { vocabulary_.where = where; }

  Tokenizer::Vocabulary read(const HfTextFiles& files) {
    if (!file_.json().is_object()) file_.refuse("a JSON object");
    read_model(file_.at("model"));
    vocabulary_.normalizer = read_normalizer(file_.at("normalizer"));
    read_splitter();
    vocabulary_.decoder = read_decoder(file_.at("decoder"));
    read_added_tokens(file_.at("added_tokens"));
    name_special_tokens(files);
    read_post_processor(file_.at("post_processor"), 0);
    vocabulary_.end_ids = files.eos_ids;
    return std::move(vocabulary_);
  }

 private:
  void read_model(const JsonPart& model) {
    const bool is_bpe = model.json().is_object() && (!model.has("type") || model.type() == "BPE");
    if (!is_bpe) {
      if (model.json().is_object()) {
        throw ModelError(cat("[", model.where(), "] model must be BPE, but is ", model.type()),
                         "WordPiece, Unigram and WordLevel are not supported");
      }
      model.refuse("BPE");
    }
    const JsonPart dropout = model.at("dropout");
    if (!dropout.is_null() && dropout.json() != 0) dropout.refuse("null: ids must not be random");
    ModelOptions& options = vocabulary_.model;
    options.ignore_merges = model.flag("ignore_merges", false);
    options.byte_fallback = model.flag("byte_fallback", false);
    options.fuse_unk = model.flag("fuse_unk", false);
    options.unk_token = model.text("unk_token", "");
    options.continuing_subword_prefix = model.text("continuing_subword_prefix", "");
    options.end_of_word_suffix = model.text("end_of_word_suffix", "");
    vocabulary_.last_merge_wins = true;
    read_vocab(model.at("vocab"));
    read_merges(model.at("merges"));
    if (!options.unk_token.empty()) vocabulary_.unk_id = find(options.unk_token);
  }

  void read_vocab(const JsonPart& vocab) {
    if (!vocab.json().is_object() || vocab.json().empty()) vocab.refuse("an object of tokens");
    for (const auto& [token, id] : vocab.json().items()) {
      const auto shown = [&, &name = token] { return cat("model.vocab['", repair_utf8(name), "']"); };
      if (!id.is_number_integer()) JsonPart(id, vocab.where(), shown()).refuse("an id");
      if (id < 0 || id >= static_cast<int64_t>(kMaxVocabulary)) {
        JsonPart(id, vocab.where(), shown()).refuse(cat("a token id of 0 … ", kMaxVocabulary - 1));
      }
      const size_t index = grow_to(id.get<int64_t>());
      if (hf().is_of_model[index]) {
        throw ModelError(cat("[", vocab.where(), "] token id ", index, " must name one token, but names '",
                             repair_utf8(vocabulary_.tokens[index]), "' and '", repair_utf8(token), "'"));
      }
      vocabulary_.tokens[index] = token;
      vocabulary_.kinds[index] = TokenKind::normal;
      hf().is_of_model[index] = true;
      ids_.emplace(token, static_cast<int32_t>(index));
    }
  }

  size_t grow_to(int64_t id) {
    const auto index = static_cast<size_t>(id);
    if (index >= vocabulary_.tokens.size()) {
      vocabulary_.tokens.resize(index + 1);
      vocabulary_.kinds.resize(index + 1, TokenKind::unused);
      hf().is_of_model.resize(index + 1, false);
      hf().added_texts.resize(index + 1);
    }
    return index;
  }

  Tokenizer::Vocabulary::HuggingFace& hf() {
    if (!vocabulary_.hf) vocabulary_.hf.emplace();
    return *vocabulary_.hf;
  }

  std::optional<int32_t> find(const std::string& token) const {
    const auto it = ids_.find(token);
    return it == ids_.end() ? std::nullopt : std::optional<int32_t>(it->second);
  }

  // "a b" or ["a", "b"]; the first kind is how files before 0.20 spell all of them, with a version line among them.
  void read_merges(const JsonPart& merges) {
    const size_t n = merges.size();
    vocabulary_.merge_pairs.reserve(n);
    for (size_t i = 0; i < n; ++i) {
      const Json& merge = merges.json()[i];
      if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
        vocabulary_.merge_pairs.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
        continue;
      }
      const auto refuse = [&] {
        JsonPart(merge, merges.where(), cat("model.merges[", i, "]")).refuse("a merge 'a b' or [a, b]");
      };
      if (!merge.is_string()) refuse();
      const auto& text = merge.get_ref<const std::string&>();
      if (text.starts_with("#version")) continue;
      const size_t space = text.find(' ');
      if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos) refuse();
      vocabulary_.merge_pairs.emplace_back(text.substr(0, space), text.substr(space + 1));
    }
  }

  void read_splitter() {
    PreTokenizerSteps pre = read_pre_tokenizer(file_.at("pre_tokenizer"));
    ModelOptions& options = vocabulary_.model;
    const bool is_plain =
        options.continuing_subword_prefix.empty() && options.end_of_word_suffix.empty() && !options.byte_fallback;
    options.is_byte_level = pre.ends_in_byte_level && is_plain;
    if (pre.ends_in_byte_level && !is_plain) {
      SplitStep step;
      step.kind = SplitStep::Kind::byte_alphabet;
      pre.steps.push_back(std::move(step));
    }
    if (options.is_byte_level && pre.steps.size() == 1 && pre.steps[0].kind == SplitStep::Kind::scanner) {
      vocabulary_.rule = pre.steps[0].rule;
    } else {
      vocabulary_.splitter = std::move(pre.steps);
    }
  }

  void read_added_tokens(const JsonPart& added) {
    if (added.is_null()) return;
    const size_t n = added.size();
    // As Hugging Face: the model's own id, else the next free one; the id written here is advice.
    auto next_id = static_cast<int64_t>(ids_.size());
    std::unordered_map<std::string, size_t> known;
    for (size_t i = 0; i < n; ++i) {
      const JsonPart part = added.at(i);
      if (!part.json().is_object() || !part.at("content").json().is_string()) {
        part.refuse("an added token: an object with id and content");
      }
      if (!part.at("id").json().is_number_integer()) part.refuse("an added token with an id");
      AddedToken token;
      token.text = part.required_text("content");
      if (token.text.empty()) continue;
      token.is_control = part.flag("special", false);
      token.single_word = part.flag("single_word", false);
      token.strips_left = part.flag("lstrip", false);
      token.strips_right = part.flag("rstrip", false);
      token.is_normalized = part.flag("normalized", !token.is_control);
      const auto again = known.find(token.text);
      if (again != known.end()) {
        AddedToken& first = hf().added[again->second];
        token.id = first.id;
        token.is_control = token.is_control || first.is_control;  // once special, always special
        first = token;
      } else {
        const auto of_model = find(token.text);
        int64_t id = of_model ? *of_model : next_id++;
        // A vocabulary with holes: Hugging Face would give one id to two tokens; the file's own id is meant.
        const Json& written = part.at("id").json();
        if (!of_model && is_taken(id) && written >= 0 && written < static_cast<int64_t>(kMaxVocabulary) &&
            !is_taken(written.get<int64_t>())) {
          id = written.get<int64_t>();
        }
        if (id >= static_cast<int64_t>(kMaxVocabulary)) part.refuse(cat("among the first ", kMaxVocabulary, " tokens"));
        token.id = static_cast<int32_t>(id);
        known.emplace(token.text, hf().added.size());
        hf().added.push_back(token);
      }
      register_added(token);
    }
  }

  bool is_taken(int64_t id) {
    const auto index = static_cast<size_t>(id);
    return index < vocabulary_.tokens.size() && (hf().is_of_model[index] || !hf().added_texts[index].empty());
  }

  void register_added(const AddedToken& token) {
    const size_t index = grow_to(token.id);
    if (!hf().is_of_model[index]) vocabulary_.tokens[index] = token.text;
    hf().added_texts[index] = token.text;
    vocabulary_.kinds[index] = token.is_control ? TokenKind::control : TokenKind::user_defined;
    added_ids_[token.text] = token.id;
  }

  std::optional<int32_t> find_any(const std::string& token) const {
    const auto it = added_ids_.find(token);
    return it != added_ids_.end() ? std::optional<int32_t>(it->second) : find(token);
  }

  void name_special_tokens(const HfTextFiles& files) {
    const auto id_of = [&](const char* name) -> std::optional<int32_t> {
      const auto it = files.special_tokens.find(name);
      return it == files.special_tokens.end() ? std::nullopt : find_any(it->second);
    };
    vocabulary_.bos_id = id_of("bos_token");
    vocabulary_.eos_id = id_of("eos_token");
    vocabulary_.pad_id = id_of("pad_token");
    if (!vocabulary_.unk_id) vocabulary_.unk_id = id_of("unk_token");
    if (!vocabulary_.eos_id && !files.eos_ids.empty()) vocabulary_.eos_id = files.eos_ids.front();
  }

  void read_post_processor(const JsonPart& part, int depth) {
    const std::string type = part.type();
    if (part.is_null() || type == "ByteLevel") return;
    if (type == "Sequence" && depth < 8) {
      const JsonPart parts = part.at("processors");
      for (size_t i = 0; i < parts.size(); ++i)
        read_post_processor(parts.at(i), depth + 1);
      return;
    }
    if (!vocabulary_.special_template.empty()) part.refuse("the only one that adds tokens");
    if (type == "TemplateProcessing") return read_template(part);
    if (type != "RobertaProcessing" && type != "BertProcessing") {
      part.refuse("TemplateProcessing, RobertaProcessing, BertProcessing, ByteLevel or a Sequence of them");
    }
    vocabulary_.special_template = {pair_id(part.at("cls")), -1, pair_id(part.at("sep"))};
    name_ends();
  }

  // ["</s>", 2]
  int32_t pair_id(const JsonPart& part) {
    const Json& json = part.json();
    if (!json.is_array() || json.size() != 2 || !json[1].is_number_integer()) part.refuse("[token, id]");
    return checked_id(part.at(1));
  }

  int32_t checked_id(const JsonPart& part) {
    const Json& id = part.json();
    if (!id.is_number_integer() || id < 0 || id >= static_cast<int64_t>(vocabulary_.tokens.size())) {
      part.refuse(cat("a token id below ", vocabulary_.tokens.size()));
    }
    return id.get<int32_t>();
  }

  void read_template(const JsonPart& part) {
    const JsonPart single = part.at("single");
    const size_t n = single.size();
    if (n > kMaxTemplatePieces) single.refuse(cat("at most ", kMaxTemplatePieces, " pieces"));
    for (size_t i = 0; i < n; ++i) {
      const JsonPart piece = single.at(i);
      if (piece.has("Sequence")) {
        if (piece.at("Sequence").text("id", "A") != "A") piece.refuse("sequence A: there is no other");
        vocabulary_.special_template.push_back(-1);
      } else {
        add_special(piece, part.at("special_tokens"));
      }
    }
    if (vocabulary_.special_template.size() > 4 * kMaxTemplatePieces) single.refuse("a shorter template");
    name_ends();
  }

  void add_special(const JsonPart& piece, const JsonPart& special_tokens) {
    if (!piece.has("SpecialToken")) piece.refuse("{\"Sequence\": …} or {\"SpecialToken\": …}");
    const std::string name = piece.at("SpecialToken").required_text("id");
    if (special_tokens.has(name.c_str())) {
      const JsonPart ids = special_tokens.at(name.c_str()).at("ids");
      for (size_t k = 0; k < std::min<size_t>(ids.size(), kMaxTemplatePieces); ++k)
        vocabulary_.special_template.push_back(checked_id(ids.at(k)));
    } else if (const auto id = find_any(name)) {
      vocabulary_.special_template.push_back(*id);
    } else {
      piece.refuse("a token of special_tokens or of the vocabulary");
    }
  }

  // What stands first and last names BOS and EOS where tokenizer_config.json does not.
  void name_ends() {
    const auto& pieces = vocabulary_.special_template;
    if (pieces.empty()) return;
    if (!vocabulary_.bos_id && pieces.front() >= 0) vocabulary_.bos_id = pieces.front();
    if (!vocabulary_.eos_id && pieces.size() > 1 && pieces.back() >= 0) vocabulary_.eos_id = pieces.back();
  }

  JsonPart file_;
  Tokenizer::Vocabulary vocabulary_;
  std::unordered_map<std::string, int32_t> ids_;  // the model's
  std::unordered_map<std::string, int32_t> added_ids_;
};

Tokenizer load(const std::filesystem::path& path, const HfTextFiles& files) {
  Json json = parse_json(read_file(path, kMaxTokenizerBytes), path.string());
  Tokenizer::Vocabulary vocabulary = HfReader(json, path.string()).read(files);
  json = Json();  // a large file's tree takes more than the tokenizer: gone before the index is built
  return Tokenizer(std::move(vocabulary));
}

}  // namespace

Tokenizer load_hf_tokenizer(const std::filesystem::path& folder) {
  return load(folder / "tokenizer.json", read_hf_text_files(folder));
}

Tokenizer load_tokenizer_json(const std::filesystem::path& file) {
  const bool has_neighbours = file.filename() == "tokenizer.json";
  return load(file, has_neighbours ? read_hf_text_files(file.parent_path()) : HfTextFiles{});
}

}  // namespace afina::text
