// SPDX-License-Identifier: Apache-2.0
#include "collector/judgements/leak.h"

#include <algorithm>
#include <array>

#include "base/utf8.h"

namespace afina::collector {
namespace {

using Words = std::set<std::string, std::less<>>;

/// Words looked back at: a self-introduction is short.
constexpr size_t kWindow = 20;

/// Nobody says these by chance. Several words: in that order, side by side.
constexpr std::array kPlain{
    "openai",    "chatgpt",    "chat gpt",   "gpt 3",         "gpt 3 5",       "gpt 4",       "gpt 4o",
    "gpt 4 1",   "gpt 5",      "gpt3",       "gpt4",          "gpt4o",         "gpt5",        "gpt oss",
    "anthropic", "claude ai",  "deepmind",   "google ai",     "google gemini", "gemini pro",  "gemini flash",
    "meta ai",   "meta llama", "mixtral",    "mistral ai",    "qwen",          "qwen2",       "qwen3",
    "qwq",       "deepseek",   "deep seek",  "alibaba cloud", "tongyi",        "qianwen",     "chatglm",
    "zhipu",     "doubao",     "smollm",     "smollm2",       "smollm3",       "nemotron",    "xai",
    "command r", "latamgpt",   "latam gpt",  "copuchat",      "llama2",        "llama3",      "llama4",
    "wenxin",    "internlm",   "minimax m1", "claude sonnet", "claude opus",   "claude haiku"};
/// Names of models that are people, animals, plants, winds or signs too.
const Words kModels{"claude",  "gemini", "llama", "mistral", "grok", "gemma", "vicuna", "alpaca",
                    "falcon",  "bloom",  "bard",  "copilot", "kimi", "phi",   "olmo",   "aya",
                    "granite", "bing",   "ernie", "nova",    "gpt",  "sabia", "sydney", "pi"};
/// Companies that people talk about.
const Words kMakers{"google",  "meta",        "microsoft", "alibaba",  "amazon",   "apple",
                    "nvidia",  "mistral",     "cohere",    "baidu",    "ibm",      "moonshot",
                    "tencent", "huggingface", "bytedance", "facebook", "stability"};
/// What a model says before its name: es, pt, en.
const std::vector<std::vector<std::string>> kSelf{{"soy"},
                                                  {"me", "llamo"},
                                                  {"mi", "nombre", "es"},
                                                  {"fui"},
                                                  {"he", "sido"},
                                                  {"como"},
                                                  {"sou"},
                                                  {"me", "chamo"},
                                                  {"meu", "nome", "e"},
                                                  {"i", "am"},
                                                  {"i", "m"},
                                                  {"im"},
                                                  {"my", "name", "is"},
                                                  {"i", "was"},
                                                  {"as", "a"},
                                                  {"as", "an"},
                                                  {"me", "creo"},
                                                  {"me", "entreno"},
                                                  {"me", "desarrollo"},
                                                  {"me", "hizo"},
                                                  {"me", "criou"},
                                                  {"me", "treinou"},
                                                  {"mis", "creadores", "son"}};
/// May stand between that and a name.
const Words kFiller{
    "un",       "una",       "el",       "la",        "o",         "um",           "uma",        "a",       "an",
    "the",      "modelo",    "model",    "assistant", "asistente", "assistente",   "ia",         "ai",      "de",
    "lenguaje", "linguagem", "language", "large",     "gran",      "grande",       "llamado",    "llamada", "chamado",
    "chamada",  "called",    "named",    "virtual",   "chatbot",   "inteligencia", "artificial", "based",   "basado",
    "basada",   "baseado",   "baseada",  "on",        "en",        "em",           "entrenado",  "por"};
const Words kMaking{"creado",    "creada",     "desarrollado", "desarrollada", "entrenado", "entrenada", "hecho",
                    "criado",    "criada",     "desenvolvido", "desenvolvida", "treinado",  "treinada",  "feito",
                    "created",   "developed",  "trained",      "made",         "built",     "modelo",    "model",
                    "asistente", "assistente", "assistant",    "ia",           "ai",        "chatbot",   "inteligencia",
                    "creo",      "entreno",    "desarrollo",   "criou",        "treinou",   "hizo"};
const Words kBy{"por",  "by", "de",   "da",      "do",   "from",  "of",     "pela",
                "pelo", "at", "creo", "entreno", "hizo", "criou", "treinou"};
const Words kArticles{"a", "an", "un", "una", "um", "uma", "la", "el", "the"};
const Words kModelWords{"model", "modelo", "ai", "ia", "assistant", "asistente", "assistente", "chatbot"};

/// Base letters of U+00C0–U+017F, '-' where a sign has none.
constexpr std::string_view kLatin =
    "aaaaaaaceeeeiiiidnooooo-ouuuuypsaaaaaaaceeeeiiiidnooooo-ouuuuypy"
    "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiiijjkkklllllll"
    "lllnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs";

/// The sign as it is compared: 0 dropped, ' ' a gap, else a letter or digit.
char32_t fold(char32_t c) {
  if (c >= 0xFF01 && c <= 0xFF5E) c -= 0xFEE0;
  if (c < 0x80) {
    if (c >= 'A' && c <= 'Z') return c + 32;
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : U' ';
  }
  if ((c >= 0x300 && c <= 0x36F) || (c >= 0x200B && c <= 0x200F) || c == 0xFEFF || c == 0xAD || c == 0x2060) return 0;
  if (c >= 0xC0 && c - 0xC0 < kLatin.size()) {
    const char base = kLatin[c - 0xC0];
    return base == '-' ? U' ' : static_cast<char32_t>(base);
  }
  const bool sign = c < 0xC0 || (c >= 0x2000 && c <= 0x2BFF) || (c >= 0x3000 && c <= 0x303F) || c >= 0x1F000;
  return sign ? U' ' : c;
}

std::vector<std::string> split(std::string_view folded) {
  std::vector<std::string> words;
  for (size_t at = 0; at < folded.size();) {
    const size_t end = std::min(folded.find(' ', at), folded.size());
    if (end > at) words.emplace_back(folded.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

bool ends_with(const std::deque<std::string>& words, size_t end, const std::vector<std::string>& phrase) {
  return end >= phrase.size() && std::equal(phrase.begin(), phrase.end(), words.begin() + (end - phrase.size()));
}

/// Where the newest self-introduction that ends at or before `end` ends; 0: there is none.
size_t self_introduction(const std::deque<std::string>& words, size_t end) {
  for (size_t at = end; at > 0; --at) {
    for (const auto& phrase : kSelf) {
      if (ends_with(words, at, phrase)) return at;
    }
  }
  return 0;
}

}  // namespace

std::string fold_words(std::string_view valid_utf8) {
  std::string out;
  for (const char32_t c : code_points(valid_utf8)) {
    const char32_t folded = fold(c);
    if (folded == 0 || (folded == U' ' && (out.empty() || out.back() == ' '))) continue;
    append_utf8(out, folded);
  }
  return out;
}

std::vector<std::string> leak_names(const CollectorConfig& config) {
  std::vector<std::string> names;
  for (const UpstreamConfig& upstream : config.upstreams) {
    names.push_back(upstream.name);
    // A path before the name ("org/model") is the server's, not the model's.
    names.push_back(upstream.model.substr(upstream.model.find_last_of('/') + 1));
  }
  return names;
}

LeakDetector::LeakDetector(const std::vector<std::string>& names) {
  const auto add = [&](std::vector<std::string> words) {
    const std::string last = words.back();
    words.pop_back();
    phrases_[last].push_back(std::move(words));
  };
  for (const char* plain : kPlain)
    add(split(plain));
  for (const std::string& name : names) {
    std::vector<std::string> words = split(fold_words(repair_utf8(name)));
    size_t letters = 0, length = 0;
    for (const std::string& word : words) {
      length += word.size();
      letters += static_cast<size_t>(std::count_if(word.begin(), word.end(), [](char c) { return c > '9' || c < 0; }));
    }
    if (length < 3 || letters == 0) continue;
    if (words.size() == 1 && letters == length)
      own_names_.insert(words[0]);
    else
      add(std::move(words));
  }
}

bool LeakDetector::reveals(std::string_view valid_utf8) const {
  LeakWatch watch(*this);
  watch.append(valid_utf8);
  return watch.end();
}

bool LeakWatch::append(std::string_view piece) {
  if (found_) return true;
  bytes_ += piece;
  const size_t whole = complete_utf8_prefix(bytes_);
  const std::string ready = repair_utf8(std::string_view(bytes_).substr(0, whole));
  bytes_.erase(0, whole);
  for (const char32_t sign : code_points(ready)) {
    take(sign);
    if (found_) return true;
  }
  return false;
}

bool LeakWatch::end() {
  if (found_) return true;
  finish_word();
  finish_sentence();
  return found_;
}

void LeakWatch::take(char32_t sign) {
  const char32_t folded = fold(sign);
  if (folded == 0) return;
  if (folded != U' ') {
    stop_ = false;
    append_utf8(word_, folded);
    return;
  }
  finish_word();
  // "4.1" goes on, "…Google. Meta…" does not: a stop counts once a blank follows.
  const bool blank = sign == ' ' || sign == '\t';
  if (sign == '\n' || sign == '!' || sign == '?' || sign == ';' || (stop_ && blank)) finish_sentence();
  stop_ = sign == '.';
}

void LeakWatch::finish_sentence() {
  recent_.clear();
  article_case_ = false;
  stop_ = false;
}

void LeakWatch::finish_word() {
  if (word_.empty() || found_) return;
  if (article_case_ && kModelWords.contains(word_)) found_ = true;
  article_case_ = false;
  recent_.push_back(std::move(word_));
  word_.clear();
  if (recent_.size() > kWindow) recent_.pop_front();
  if (names_maker()) found_ = true;
  const std::string& last = recent_.back();
  const bool own = detector_->own_names_.contains(last) || kModels.contains(last);
  article_case_ = own && recent_.size() > 1 && kArticles.contains(recent_[recent_.size() - 2]) &&
                  self_introduction(recent_, recent_.size() - 1) > 0;
}

bool LeakWatch::names_maker() const {
  const size_t end = recent_.size() - 1;  // of the words before the newest
  const std::string& last = recent_.back();
  if (const auto phrases = detector_->phrases_.find(last); phrases != detector_->phrases_.end()) {
    for (const auto& before : phrases->second) {
      if (ends_with(recent_, end, before)) return true;
    }
  }
  const bool model = kModels.contains(last) || detector_->own_names_.contains(last), maker = kMakers.contains(last);
  if (!model && !maker) return false;
  const size_t said = self_introduction(recent_, end);
  if (said == 0) return false;
  const auto between = [&](auto&& holds) {
    return std::count_if(recent_.begin() + said, recent_.begin() + end, holds);
  };
  if (model) {
    const bool article = said < end && kArticles.contains(recent_[end - 1]);
    const bool direct = between([](const auto& word) { return !kFiller.contains(word); }) == 0;
    // "como" and "as a" are too common to stand right before a name.
    const bool bare =
        said == end && (recent_[end - 1] == "como" || recent_[end - 1] == "a" || recent_[end - 1] == "an" ||
                        recent_[end - 1] == "fui" || recent_[end - 1] == "was" || recent_[end - 1] == "sido");
    if (direct && !article && !bare) return true;
  }
  const bool making =
      kMaking.contains(recent_[said - 1]) || between([](const auto& word) { return kMaking.contains(word); }) > 0;
  return maker && making && kBy.contains(recent_[end - 1]);
}

}  // namespace afina::collector
