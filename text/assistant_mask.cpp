// SPDX-License-Identifier: Apache-2.0
#include "text/assistant_mask.h"

#include <algorithm>
#include <optional>

#include "base/cat.h"
#include "base/error.h"

namespace afina::text {

namespace {

bool overlaps(const TokenSpan& span, const TextRange& range) {
  return span.begin < range.end && range.begin < span.end;
}

std::string_view trimmed(std::string_view text) {
  const auto is_space = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  while (!text.empty() && is_space(text.front()))
    text.remove_prefix(1);
  while (!text.empty() && is_space(text.back()))
    text.remove_suffix(1);
  return text;
}

class MaskBuilder {
 public:
  MaskBuilder(const Tokenizer& tokenizer, const ChatTemplate& chat_template, std::span<const Message> messages,
              const RenderOptions& options, const RenderedChat& render, std::span<const TokenSpan> spans)
      : template_(chat_template),
        messages_(messages),
        options_(options),
        render_(render),
        spans_(spans),
        controls_(template_controls(tokenizer, render, spans)),
        mask_(spans.size(), 0) {
    options_.add_generation_prompt = false;
  }

  std::vector<uint8_t> build() {
    if (template_.marks_generation()) {
      for (const TextRange& range : render_.generation)
        train(range);
      return mask_;
    }
    for (size_t i = 0; i < messages_.size(); ++i) {
      if (messages_[i].role == "assistant" && !train_by_prefix(i)) train_by_difference(i);
    }
    return mask_;
  }

 private:
  void train(const TextRange& range) {
    for (size_t i = 0; i < spans_.size(); ++i) {
      if (overlaps(spans_[i], range)) mask_[i] = 1;
    }
  }

  // What a render of messages[:i] with the generation prompt leaves to be said, up to the end-of-turn token.
  bool train_by_prefix(size_t i) {
    if (i == 0) return false;  // no template need accept an empty conversation
    RenderOptions prompt = options_;
    prompt.add_generation_prompt = true;
    std::string before;
    std::string after;
    try {
      before = template_.render(messages_.first(i), prompt).text;
      after = i + 1 == messages_.size() ? render_.text : template_.render(messages_.first(i + 1), options_).text;
    } catch (const DataError&) {
      return false;  // templates may refuse such a beginning (roles that must alternate, a missing last user turn)
    }
    if (!after.starts_with(before) || !render_.text.starts_with(after)) return false;
    const TextRange turn{before.size(), after.size()};
    const TokenSpan* end = nullptr;
    for (const TokenSpan& control : controls_) {
      if (control.begin >= turn.begin && control.end <= turn.end) end = &control;
    }
    if (end != nullptr) {
      train({turn.begin, end->end});
      return true;
    }
    size_t content_end = turn.begin;
    for (const TextRange& range : render_.from_people) {
      if (range.begin >= turn.begin && range.end <= turn.end) content_end = range.end;
    }
    train({turn.begin, content_end});
    return true;
  }

  // Where the render changes when only this content does; then the next control token ends the turn.
  void train_by_difference(size_t i) {
    const std::string_view content = trimmed(messages_[i].content);
    const OrderedJson json = message_json(messages_[i]);
    if (!json.contains("content") || !json["content"].is_string()) refuse(i, "answer without a text content");
    std::vector<Message> changed(messages_.begin(), messages_.end());
    set_content(changed[i], content.starts_with("x") || content.ends_with("x") ? "y" : "x");
    const std::string other = template_.render(changed, options_).text;
    const std::string& text = render_.text;
    const size_t shorter = std::min(text.size(), other.size());
    size_t begin = 0;
    while (begin < shorter && text[begin] == other[begin])
      ++begin;
    size_t tail = 0;
    while (tail < shorter - begin && text[text.size() - 1 - tail] == other[other.size() - 1 - tail])
      ++tail;
    const size_t end = text.size() - tail;
    if (end < begin || trimmed(std::string_view(text).substr(begin, end - begin)) != content) {
      refuse(i, "answer");
    }
    TextRange answer{begin, end};
    const size_t next_people = next_people_after(end);
    for (const TokenSpan& control : controls_) {
      if (control.begin < end) continue;
      if (control.begin < next_people) answer.end = control.end;
      break;
    }
    train(answer);
  }

  [[noreturn]] static void refuse(size_t i, const char* what) {
    throw DataError(cat("[message ", i, "] the chat template must show the assistant's ", what,
                        " once and unchanged, but does not, so there is no mask for it"),
                    "use a template with {% generation %} blocks");
  }

  size_t next_people_after(size_t position) const {
    for (const TextRange& range : render_.from_people) {
      if (range.begin >= position) return range.begin;
    }
    return render_.text.size() + 1;
  }

  const ChatTemplate& template_;
  std::span<const Message> messages_;
  RenderOptions options_;
  const RenderedChat& render_;
  std::span<const TokenSpan> spans_;
  std::vector<TokenSpan> controls_;
  std::vector<uint8_t> mask_;
};

}  // namespace

std::vector<TokenSpan> template_controls(const Tokenizer& tokenizer, const RenderedChat& render,
                                         std::span<const TokenSpan> spans) {
  std::vector<TokenSpan> controls;
  size_t range = 0;
  for (const TokenSpan& span : spans) {
    if (!tokenizer.is_special(span.id)) continue;
    while (range < render.from_people.size() && render.from_people[range].end <= span.begin)
      ++range;
    const bool touches = range < render.from_people.size() && overlaps(span, render.from_people[range]);
    if (!touches) controls.push_back(span);
  }
  return controls;
}

std::vector<uint8_t> assistant_mask(const Tokenizer& tokenizer, const ChatTemplate& chat_template,
                                    std::span<const Message> messages, const RenderOptions& options,
                                    const RenderedChat& render, std::span<const TokenSpan> spans) {
  return MaskBuilder(tokenizer, chat_template, messages, options, render, spans).build();
}

}  // namespace afina::text
