// SPDX-License-Identifier: Apache-2.0
// `afina fertility`: how many tokens a vocabulary spends on each language: what people pay, and how long their texts
// may be. Built-in sample: Universal Declaration of Human Rights, article 1 (United Nations, OHCHR's official texts).
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>

#include "app/afina/jsonl_loop.h"
#include "app/afina/verbs.h"
#include "base/cat.h"
#include "base/error.h"
#include "base/utf8.h"
#include "text/text_stack.h"

namespace afina::app {
namespace {

struct Sample {
  std::string language, text;
};

constexpr const char* kSamples[][2] = {
    {"en",
     "All human beings are born free and equal in dignity and rights. They are endowed with reason and conscience "
     "and should act towards one another in a spirit of brotherhood."},
    {"es",
     "Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados como están de razón y "
     "conciencia, deben comportarse fraternalmente los unos con los otros."},
    {"pt",
     "Todos os seres humanos nascem livres e iguais em dignidade e em direitos. Dotados de razão e de consciência, "
     "devem agir uns para com os outros em espírito de fraternidade."},
};

struct Counts {
  size_t texts = 0, tokens = 0, words = 0, characters = 0, bytes = 0, broken_words = 0;
};

// Words are what blanks separate; a word counts as broken where its own tokens are four or more.
void count(const text::Tokenizer& tokenizer, const std::string& text, Counts& counts) {
  ++counts.texts;
  counts.tokens += tokenizer.encode(text).size();
  counts.characters += code_points(text).size();
  counts.bytes += text.size();
  for (size_t at = 0; at < text.size();) {
    const size_t begin = text.find_first_not_of(" \t\r\n", at);
    if (begin == std::string::npos) return;
    at = std::min(text.find_first_of(" \t\r\n", begin), text.size());
    ++counts.words;
    // With the blank before it, as it stands in a text.
    const std::string word = text.substr(begin > 0 ? begin - 1 : begin, at - (begin > 0 ? begin - 1 : begin));
    if (tokenizer.encode(word).size() >= 4) ++counts.broken_words;
  }
}

std::vector<Sample> read_samples(const std::string& file) {
  std::vector<Sample> samples;
  if (file.empty()) {
    for (const auto& [language, text] : kSamples)
      samples.push_back({language, text});
    return samples;
  }
  std::ifstream in(file);
  if (!in) throw NotFound(cat("[fertility] must find the file, but got \"", file, "\""));
  std::string line;
  for (size_t number = 1; std::getline(in, line); ++number) {
    const std::string where = cat(file, ":", number);
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    if (line.size() > kMaxLineBytes) throw DataError(cat("[", where, "] must have at most ", kMaxLineBytes, " bytes"));
    const Json row = parse_json(line, where);
    if (!row.is_object() || !row.value("text", Json()).is_string() || !row.value("language", Json()).is_string()) {
      throw DataError(cat("[", where, "] must have texts as \"text\" and \"language\", but has not"));
    }
    samples.push_back({row["language"].get<std::string>(), row["text"].get<std::string>()});
  }
  if (samples.empty()) throw DataError(cat("[", file, "] must have at least one line, but has none"));
  return samples;
}

double ratio(size_t a, size_t b) {
  return b == 0 ? 0 : static_cast<double>(a) / static_cast<double>(b);
}

OrderedJson row_json(const std::string& model, const std::string& language, const Counts& c) {
  return {{"model", model},
          {"language", language},
          {"texts", c.texts},
          {"words", c.words},
          {"tokens", c.tokens},
          {"tokens_per_word", ratio(c.tokens, c.words)},
          {"tokens_per_character", ratio(c.tokens, c.characters)},
          {"bytes_per_token", ratio(c.bytes, c.tokens)},
          {"words_in_4_or_more", ratio(c.broken_words, c.words)}};
}

int fertility(const std::vector<std::string>& models, const std::string& file, bool as_json) {
  const std::vector<Sample> samples = read_samples(file);
  OrderedJson rows = OrderedJson::array();
  for (const std::string& model : models) {
    const text::TextStack stack = text::load_text_stack(model);
    std::map<std::string, Counts> by_language;
    for (const Sample& sample : samples)
      count(*stack.tokenizer, sample.text, by_language[sample.language]);
    for (const auto& [language, counts] : by_language)
      rows.push_back(row_json(model, language, counts));
  }
  if (as_json) {
    std::cout << dump_json(OrderedJson{{"rows", rows}}) << "\n";
    return 0;
  }
  std::printf("%-8s %8s %8s %11s %11s %12s %12s  %s\n", "language", "words", "tokens", "tokens/word", "tokens/char",
              "bytes/token", "words in 4+", "model");
  for (const OrderedJson& row : rows) {
    std::printf("%-8s %8zu %8zu %11.3f %11.4f %12.3f %11.1f%%  %s\n", row["language"].get<std::string>().c_str(),
                row["words"].get<size_t>(), row["tokens"].get<size_t>(), row["tokens_per_word"].get<double>(),
                row["tokens_per_character"].get<double>(), row["bytes_per_token"].get<double>(),
                100 * row["words_in_4_or_more"].get<double>(), row["model"].get<std::string>().c_str());
  }
  return 0;
}

}  // namespace

void add_fertility(CLI::App& app, Context& context) {
  const auto models = std::make_shared<std::vector<std::string>>();
  const auto file = std::make_shared<std::string>();
  const auto as_json = std::make_shared<bool>(false);
  CLI::App* verb = app.add_subcommand("fertility", "Tokens a vocabulary spends on each language");
  verb->add_option("--model", *models, "GGUF file, Hugging Face folder or tokenizer.json; may be repeated")
      ->required()
      ->allow_extra_args(false);
  verb->add_option("file", *file, "JSONL of {\"text\",\"language\"} (default: article 1 of the Universal Declaration)");
  verb->add_flag("--json", *as_json, "One JSON object");
  verb->callback([models, file, as_json, &context] {
    context.run = [models, file, as_json] { return fertility(*models, *file, *as_json); };
  });
}

}  // namespace afina::app
