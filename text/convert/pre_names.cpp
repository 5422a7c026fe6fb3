// SPDX-License-Identifier: Apache-2.0
#include "text/convert/pre_names.h"

#include "base/error.h"
#include "text/pre_tokenizer.h"

namespace afina::text {
namespace {

Json byte_level(bool use_regex) {
  return {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

Json split_then_bytes(std::string_view pattern) {
  const Json split = {
      {"type", "Split"}, {"pattern", {{"Regex", std::string(pattern)}}}, {"behavior", "Isolated"}, {"invert", false}};
  return {{"type", "Sequence"}, {"pretokenizers", Json::array({split, byte_level(false)})}};
}

Json digits_then_bytes() {
  const Json digits = {{"type", "Digits"}, {"individual_digits", true}};
  return {{"type", "Sequence"}, {"pretokenizers", Json::array({digits, byte_level(true)})}};
}

struct Known {
  const char* name;
  bool nfc, ignore_merges;
  Json (*pre_tokenizer)();
};

// The first row that fits a tokenizer.json names it.
constexpr Known kKnown[] = {
    {"llama-bpe", false, true, [] { return split_then_bytes(kLlama3Pattern); }},
    {"smaug-bpe", false, false, [] { return split_then_bytes(kLlama3Pattern); }},
    {"llama3", false, true, [] { return split_then_bytes(kLlama3Pattern); }},
    {"llama-v3", false, true, [] { return split_then_bytes(kLlama3Pattern); }},
    {"smollm", false, false, [] { return digits_then_bytes(); }},
    {"gpt-2", false, false, [] { return byte_level(true); }},
    {"qwen2", true, false, [] { return split_then_bytes(kQwen2Pattern); }},
};

std::string known_names() {
  std::string names;
  for (const Known& known : kKnown)
    names += cat(names.empty() ? "" : ", ", known.name);
  return names;
}

/// What decides where text is cut: defaults filled in, offsets' details left out.
Json essence(const Json& component) {
  if (!component.is_object()) return component;
  const std::string type = component.value("type", "");
  if (type == "ByteLevel")
    return {{"type", type},
            {"add_prefix_space", component.value("add_prefix_space", true)},
            {"use_regex", component.value("use_regex", true)}};
  if (type == "Split")
    return {{"pattern", component.value("pattern", Json())},
            {"behavior", component.value("behavior", Json())},
            {"invert", component.value("invert", false)}};
  if (type != "Sequence") return component;
  Json parts = Json::array();
  for (const char* key : {"pretokenizers", "normalizers"})
    if (component.contains(key))
      for (const Json& part : component[key])
        parts.push_back(essence(part));
  return parts.size() == 1 ? parts[0] : parts;
}

bool is_empty(const Json& normalizer) {
  const Json what = essence(normalizer);
  return what.is_null() || (what.is_array() && what.empty());
}

}  // namespace

std::string pre_name_of(const Json& tokenizer, const std::string& where) {
  const Json normalizer = tokenizer.value("normalizer", Json()), pre = tokenizer.value("pre_tokenizer", Json());
  const Json model = tokenizer.value("model", Json::object());
  const bool nfc = essence(normalizer) == Json({{"type", "NFC"}});
  const bool ignore_merges = model.is_object() && model.value("ignore_merges", Json()) == true;
  for (const Known& known : kKnown) {
    if (known.ignore_merges != ignore_merges || essence(known.pre_tokenizer()) != essence(pre)) continue;
    // llama.cpp never normalises: with Qwen2's NFC it differs only on text that is not NFC, and so do its own files.
    if (known.nfc ? nfc || is_empty(normalizer) : is_empty(normalizer)) return known.name;
  }
  throw ModelError(
      cat("[", where, "] normalizer and pre_tokenizer must be those of a tokenizer that GGUF has a name for (",
          known_names(), "), but are ", dump_json(essence(normalizer)).substr(0, 100), " and ",
          dump_json(essence(pre)).substr(0, 300), "."),
      "write a PEFT or Hugging Face folder instead");
}

PreComponents pre_components(std::string_view name, const std::string& where) {
  for (const Known& known : kKnown)
    if (name == known.name)
      return {known.nfc ? Json({{"type", "NFC"}}) : Json(), known.pre_tokenizer(), known.ignore_merges};
  throw ModelError(cat("[", where, "] tokenizer.ggml.pre must be one of ", known_names(), ", but is '", name, "'."));
}

std::vector<std::pair<std::string, std::string>> merge_pairs(const Json& merges, const std::string& where) {
  if (!merges.is_array()) throw ModelError(cat("[", where, "] model.merges must be a list, but is not."));
  std::vector<std::pair<std::string, std::string>> pairs;
  pairs.reserve(merges.size());
  for (const Json& merge : merges) {
    if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
      pairs.emplace_back(merge[0].get<std::string>(), merge[1].get<std::string>());
      continue;
    }
    const std::string text = merge.is_string() ? merge.get<std::string>() : "";
    const size_t space = text.find(' ', 1);
    if (space == std::string::npos)
      throw ModelError(cat("[", where, "] merges must be 'a b' or [a, b], but one is ", dump_json(merge), "."));
    pairs.emplace_back(text.substr(0, space), text.substr(space + 1));
  }
  return pairs;
}

}  // namespace afina::text
