// SPDX-License-Identifier: Apache-2.0
#include "text/hf_components.h"

#include "base/cat.h"
#include "base/error.h"
#include "base/utf8.h"
#include "text/code_point.h"

namespace afina::text {

namespace {

constexpr int kMaxNesting = 8;
constexpr size_t kMaxSteps = 64;

// {"String": "x"} or {"Regex": "x"}.
std::shared_ptr<const Regex> read_pattern(const JsonPart& part, std::string& literal) {
  const Json& json = part.json();
  if (json.is_object() && json.size() == 1) {
    if (json.contains("String") && json["String"].is_string()) {
      literal = json["String"].get<std::string>();
      return nullptr;
    }
    if (json.contains("Regex") && json["Regex"].is_string()) {
      literal = json["Regex"].get<std::string>();
      return std::make_shared<const Regex>(literal, cat(part.where(), ": ", part.path()));
    }
  }
  part.refuse("{\"String\": …} or {\"Regex\": …}");
}

SplitBehavior read_behavior(const JsonPart& part, const std::string& name) {
  constexpr std::pair<std::string_view, SplitBehavior> kBehaviors[] = {
      {"Removed", SplitBehavior::removed},
      {"Isolated", SplitBehavior::isolated},
      {"MergedWithPrevious", SplitBehavior::merged_with_previous},
      {"MergedWithNext", SplitBehavior::merged_with_next},
      {"Contiguous", SplitBehavior::contiguous}};
  for (const auto& [spelt, behavior] : kBehaviors) {
    if (spelt == name) return behavior;
  }
  part.at("behavior").refuse("Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
}

void add_normalizer(const JsonPart& part, int depth, std::vector<NormalizerStep>& steps) {
  if (part.is_null()) return;
  if (depth > kMaxNesting || steps.size() > kMaxSteps) part.refuse("a shorter sequence");
  const std::string type = part.type();
  NormalizerStep step;
  if (type == "Sequence") {
    const JsonPart parts = part.at("normalizers");
    for (size_t i = 0; i < parts.size(); ++i)
      add_normalizer(parts.at(i), depth + 1, steps);
    return;
  }
  if (type == "NFC" || type == "NFD" || type == "NFKC" || type == "NFKD") {
    step.form = type == "NFC"   ? NormalForm::nfc
                : type == "NFD" ? NormalForm::nfd
                                : (type == "NFKC" ? NormalForm::nfkc : NormalForm::nfkd);
  } else if (type == "Lowercase") {
    step.kind = NormalizerStep::Kind::lowercase;
  } else if (type == "Strip") {
    step.kind = NormalizerStep::Kind::strip;
    step.strips_left = part.flag("strip_left", true);
    step.strips_right = part.flag("strip_right", true);
  } else if (type == "StripAccents") {
    step.kind = NormalizerStep::Kind::strip_accents;
  } else if (type == "Prepend") {
    step.kind = NormalizerStep::Kind::prepend;
    step.content = part.required_text("prepend");
  } else if (type == "Replace") {
    step.kind = NormalizerStep::Kind::replace;
    step.regex = read_pattern(part.at("pattern"), step.pattern);
    step.content = part.required_text("content");
  } else if (type == "Nmt") {
    step.kind = NormalizerStep::Kind::nmt;
  } else if (type == "ByteLevel") {
    step.kind = NormalizerStep::Kind::byte_level;
  } else {
    part.refuse(
        "NFC, NFD, NFKC, NFKD, Lowercase, Strip, StripAccents, Prepend, Replace, Nmt, ByteLevel or a Sequence of them");
  }
  steps.push_back(std::move(step));
}

class PreTokenizerReader {
 public:
  PreTokenizerSteps read(const JsonPart& part) {
    add(part, 0);
    // The alphabet changes last in every byte-level family: then BPE works on bytes and nothing needs rewriting.
    if (!steps_.empty() && steps_.back().kind == SplitStep::Kind::byte_alphabet) {
      steps_.pop_back();
      return {std::move(steps_), true};
    }
    return {std::move(steps_), false};
  }

 private:
  void add(const JsonPart& part, int depth) {
    if (part.is_null()) return;
    if (depth > kMaxNesting || steps_.size() > kMaxSteps) part.refuse("a shorter sequence");
    const std::string type = part.type();
    if (type == "Sequence") {
      const JsonPart parts = part.at("pretokenizers");
      for (size_t i = 0; i < parts.size(); ++i)
        add(parts.at(i), depth + 1);
    } else if (type == "ByteLevel") {
      add_byte_level(part);
    } else if (type == "Split") {
      add_split(part);
    } else if (type == "Digits") {
      push(SplitStep::Kind::digits,
           part.flag("individual_digits", false) ? SplitBehavior::isolated : SplitBehavior::contiguous);
    } else if (type == "Metaspace") {
      add_metaspace(part);
    } else if (type == "Whitespace") {
      push(SplitStep::Kind::whitespace, SplitBehavior::removed);
    } else if (type == "WhitespaceSplit") {
      push(SplitStep::Kind::whitespace_split, SplitBehavior::removed);
    } else if (type == "Punctuation") {
      push(SplitStep::Kind::punctuation, read_behavior(part, part.text("behavior", "Isolated")));
    } else if (type == "BertPreTokenizer") {
      push(SplitStep::Kind::whitespace_split, SplitBehavior::removed);
      push(SplitStep::Kind::punctuation, SplitBehavior::isolated);
    } else if (type == "CharDelimiterSplit") {
      push(SplitStep::Kind::character, SplitBehavior::removed).text = part.character("delimiter");
    } else if (type == "FixedLength") {
      const size_t length = part.number("length", 5);
      if (length == 0) part.at("length").refuse("1 or more");
      push(SplitStep::Kind::fixed_length, SplitBehavior::isolated).length = length;
    } else {
      part.refuse(
          "ByteLevel, Split, Digits, Metaspace, Whitespace, WhitespaceSplit, Punctuation, BertPreTokenizer, "
          "CharDelimiterSplit, FixedLength or a Sequence of them");
    }
  }

  SplitStep& push(SplitStep::Kind kind, SplitBehavior behavior) {
    SplitStep step;
    step.kind = kind;
    step.behavior = behavior;
    steps_.push_back(std::move(step));
    return steps_.back();
  }

  void add_byte_level(const JsonPart& part) {
    if (part.flag("add_prefix_space", true)) push(SplitStep::Kind::prefix_space, SplitBehavior::isolated);
    if (part.flag("use_regex", true)) {
      // SmolLM2's digits and this pattern are one scan.
      SplitStep* last = steps_.empty() ? nullptr : &steps_.back();
      if (steps_.size() == 1 && last->kind == SplitStep::Kind::digits && last->behavior == SplitBehavior::isolated) {
        last->kind = SplitStep::Kind::scanner;
        last->rule = SplitRule::smollm;
      } else {
        push(SplitStep::Kind::scanner, SplitBehavior::isolated).rule = SplitRule::gpt2;
      }
    }
    push(SplitStep::Kind::byte_alphabet, SplitBehavior::isolated);
  }

  void add_split(const JsonPart& part) {
    SplitStep step;
    step.kind = SplitStep::Kind::pattern;
    step.behavior = read_behavior(part, part.required_text("behavior"));
    step.inverts = part.flag("invert", false);
    const JsonPart pattern = part.at("pattern");
    step.regex = read_pattern(pattern, step.text);
    // Every character matches one of the known patterns, so that isolated or removed-and-inverted come to the same.
    const bool cuts_all =
        (step.behavior == SplitBehavior::isolated) || (step.behavior == SplitBehavior::removed && step.inverts);
    if (step.regex != nullptr && cuts_all) {
      for (const auto& [spelt, rule] : {std::pair{kLlama3Pattern, SplitRule::llama3},
                                        {kQwen2Pattern, SplitRule::qwen2},
                                        {kGpt2Pattern, SplitRule::gpt2}}) {
        if (step.text != spelt) continue;
        step.kind = SplitStep::Kind::scanner;
        step.rule = rule;
        step.inverts = false;
      }
    }
    steps_.push_back(std::move(step));
  }

  void add_metaspace(const JsonPart& part) {
    SplitStep& step = push(SplitStep::Kind::metaspace, SplitBehavior::merged_with_next);
    step.text = part.character("replacement");
    step.splits = part.flag("split", true);
    const std::string scheme = part.text("prepend_scheme", "always");
    if (scheme == "always") {
      step.prepend = SplitStep::Prepend::always;
    } else if (scheme == "first") {
      step.prepend = SplitStep::Prepend::first;
    } else if (scheme == "never") {
      step.prepend = SplitStep::Prepend::never;
    } else {
      part.at("prepend_scheme").refuse("always, first or never");
    }
    if (!part.flag("add_prefix_space", true)) {
      if (part.has("prepend_scheme") && scheme != "never") part.at("add_prefix_space").refuse("as prepend_scheme says");
      step.prepend = SplitStep::Prepend::never;
    }
  }

  std::vector<SplitStep> steps_;
};

void add_decoder(const JsonPart& part, int depth, std::vector<DecoderStep>& steps) {
  if (depth > kMaxNesting || steps.size() > kMaxSteps) part.refuse("a shorter sequence");
  const std::string type = part.type();
  DecoderStep step;
  if (type == "Sequence") {
    const JsonPart parts = part.at("decoders");
    for (size_t i = 0; i < parts.size(); ++i)
      add_decoder(parts.at(i), depth + 1, steps);
    return;
  }
  if (type == "ByteLevel") {
    step.kind = DecoderStep::Kind::byte_level;
  } else if (type == "ByteFallback") {
    step.kind = DecoderStep::Kind::byte_fallback;
  } else if (type == "Fuse") {
    step.kind = DecoderStep::Kind::fuse;
  } else if (type == "Metaspace") {
    step.kind = DecoderStep::Kind::metaspace;
    step.text = part.character("replacement");
    step.drops_first = part.text("prepend_scheme", "always") != "never" && part.flag("add_prefix_space", true);
  } else if (type == "Strip") {
    step.kind = DecoderStep::Kind::strip;
    step.text = part.character("content");
    step.start = part.number("start", 0);
    step.stop = part.number("stop", 0);
  } else if (type == "Replace") {
    step.kind = DecoderStep::Kind::replace;
    step.regex = read_pattern(part.at("pattern"), step.text);
    step.content = part.required_text("content");
  } else if (type == "BPEDecoder") {
    step.kind = DecoderStep::Kind::bpe;
    step.text = part.text("suffix", "</w>");
  } else {
    part.refuse("ByteLevel, ByteFallback, Fuse, Metaspace, Strip, Replace, BPEDecoder or a Sequence of them");
  }
  steps.push_back(std::move(step));
}

}  // namespace

std::string JsonPart::type() const {
  return text("type", "");
}

bool JsonPart::has(const char* name) const {
  return json_.is_object() && json_.contains(name);
}

JsonPart JsonPart::at(const char* name) const {
  static const Json null;
  if (!json_.is_null() && !json_.is_object()) refuse("an object");
  const auto it = json_.is_object() ? json_.find(name) : json_.end();
  const bool found = json_.is_object() && it != json_.end();
  return {found ? *it : null, where_, path_.empty() ? name : cat(path_, ".", name)};
}

JsonPart JsonPart::at(size_t index) const {
  return {json_[index], where_, cat(path_, "[", index, "]")};
}

size_t JsonPart::size() const {
  if (!json_.is_array()) refuse("a list");
  return json_.size();
}

bool JsonPart::flag(const char* name, bool fallback) const {
  const JsonPart part = at(name);
  if (part.is_null()) return fallback;
  if (!part.json_.is_boolean()) part.refuse("true or false");
  return part.json_.get<bool>();
}

std::string JsonPart::text(const char* name, const std::string& fallback) const {
  const JsonPart part = at(name);
  if (part.is_null()) return fallback;
  if (!part.json_.is_string()) part.refuse("text");
  return part.json_.get<std::string>();
}

size_t JsonPart::number(const char* name, size_t fallback) const {
  const JsonPart part = at(name);
  if (part.is_null()) return fallback;
  if (!part.json_.is_number_integer() || part.json_ < 0 || part.json_ > INT32_MAX) part.refuse("a number from 0 on");
  return part.json_.get<size_t>();
}

std::string JsonPart::required_text(const char* name) const {
  const JsonPart part = at(name);
  if (!part.json_.is_string()) part.refuse("text");
  return part.json_.get<std::string>();
}

std::string JsonPart::character(const char* name) const {
  const std::string value = required_text(name);
  if (value.empty() || decode_at(value, 0).length_bytes != value.size()) at(name).refuse("one character");
  return value;
}

void JsonPart::refuse(const std::string& wanted) const {
  std::string shown = dump_json(json_);
  if (shown.size() > 200) shown = repair_utf8(shown.substr(0, 200)) + "…";
  throw ModelError(cat("[", where_, "] ", path_.empty() ? "the file" : path_, " must be ", wanted, ", but is ", shown));
}

std::vector<NormalizerStep> read_normalizer(const JsonPart& part) {
  std::vector<NormalizerStep> steps;
  add_normalizer(part, 0, steps);
  return steps;
}

PreTokenizerSteps read_pre_tokenizer(const JsonPart& part) {
  return PreTokenizerReader().read(part);
}

DecoderChain read_decoder(const JsonPart& part) {
  std::vector<DecoderStep> steps;
  if (!part.is_null()) add_decoder(part, 0, steps);
  return DecoderChain(std::move(steps));
}

}  // namespace afina::text
