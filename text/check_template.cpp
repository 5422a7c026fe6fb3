// SPDX-License-Identifier: Apache-2.0
// check_template: the traps between a template, its tokenizer and the end of generation (docs/decisions.md; Latam-GPT's
// endless `assistant` loop is the end-of-turn one).
#include <algorithm>

#include "base/cat.h"
#include "base/error.h"
#include "text/assistant_mask.h"
#include "text/text_stack.h"

namespace afina::text {

namespace {

class TemplateCheck {
 public:
  TemplateCheck(const TextStack& stack) : tokenizer_(*stack.tokenizer), template_(*stack.chat_template) {}

  std::vector<std::string> run(const ChatEncoder& encoder) {
    const std::vector<Message> chat = {{"user", "Hola, ¿qué tal?"}, {"assistant", "Muy bien."}};
    EncodedChat encoded;
    try {
      encoded = encoder.encode(chat);
    } catch (const Error& error) {
      return {cat("A chat of one question and one answer cannot be encoded: ", error.what())};
    }
    check_end_of_turn(encoded);
    check_spelled_tokens(chat);
    check_prompt(chat, encoder, encoded);
    check_date(chat);
    check_injection(encoder);
    return std::move(findings_);
  }

 private:
  std::string name(int32_t id) const { return cat("'", tokenizer_.token_bytes(id), "' (", id, ")"); }

  void check_end_of_turn(const EncodedChat& encoded) {
    const auto last = std::find(encoded.assistant_mask.rbegin(), encoded.assistant_mask.rend(), 1);
    if (last == encoded.assistant_mask.rend()) {
      findings_.push_back("No token of the assistant's answer would be trained: the mask is empty.");
      return;
    }
    const auto index = static_cast<size_t>(encoded.assistant_mask.rend() - last) - 1;
    const int32_t end = encoded.ids[index];
    const auto& ends = tokenizer_.end_ids();
    if (!tokenizer_.is_special(end)) {
      findings_.push_back(cat("The assistant's turn ends with ", name(end),
                              ", which is no control token, so nothing teaches the model to stop."));
    } else if (std::find(ends.begin(), ends.end(), end) == ends.end()) {
      findings_.push_back(cat("Training ends a turn with ", name(end),
                              ", but generation does not stop there: the model would go on speaking for the user."));
    } else if (tokenizer_.eos_id() != end) {
      findings_.push_back(cat("A turn ends with ", name(end), ", but the model names ",
                              tokenizer_.eos_id() ? name(*tokenizer_.eos_id()) : "no token",
                              " as its EOS: programs that stop only there would not stop after an answer."));
    }
  }

  // "<|im_start|>" in the template, but not in the vocabulary.
  void check_spelled_tokens(const std::vector<Message>& chat) {
    const RenderedChat render = template_.render(chat);
    const auto spans = tokenizer_.encode_marked(render.text, render.from_people);
    for (size_t begin = render.text.find("<|"); begin != std::string::npos; begin = render.text.find("<|", begin + 2)) {
      const size_t end = render.text.find("|>", begin);
      if (end == std::string::npos || end - begin > 64) continue;
      const bool whole = std::any_of(spans.begin(), spans.end(),
                                     [&](const TokenSpan& span) { return span.begin == begin && span.end == end + 2; });
      if (whole) continue;
      findings_.push_back(cat("The template writes '", render.text.substr(begin, end + 2 - begin),
                              "', which is no token of this vocabulary and is read as plain text."));
      return;
    }
  }

  void check_prompt(const std::vector<Message>& chat, const ChatEncoder& encoder, const EncodedChat& whole) {
    const auto prompt = encoder.encode(std::span(chat).first(1), {.add_generation_prompt = true});
    if (!whole.text.starts_with(prompt.text)) {
      findings_.push_back(
          "The generation prompt differs from how a finished answer begins, so training and generation "
          "see different text.");
    } else if (prompt.ids.size() > whole.ids.size() ||
               !std::equal(prompt.ids.begin(), prompt.ids.end(), whole.ids.begin())) {
      findings_.push_back(
          "The last tokens of the generation prompt merge with the answer, so training and generation "
          "see different tokens.");
    }
    const auto bos = tokenizer_.bos_id();
    if (bos && whole.ids.size() > 1 && whole.ids[0] == *bos && whole.ids[1] == *bos) {
      findings_.push_back(cat("A chat begins with ", name(*bos), " twice."));
    }
    const auto plain = tokenizer_.encode("a", {.add_special = true});
    if (bos && plain.front() == *bos && (whole.ids.empty() || whole.ids.front() != *bos)) {
      findings_.push_back(cat("The tokenizer begins plain text with ", name(*bos), ", but the template does not."));
    }
  }

  // Llama 3.1's always-there system block. Programs that drop it or put their own day serve what was not trained.
  void check_date(const std::vector<Message>& chat) {
    RenderOptions other;
    other.date = "1999-12-31";
    if (template_.render(chat).text == template_.render(chat, other).text) return;
    findings_.push_back(cat("The template writes a date into every chat. Training uses ", kFrozenDate,
                            " unless told otherwise; serving must keep that block and give the same date."));
  }

  void check_injection(const ChatEncoder& encoder) {
    if (tokenizer_.end_ids().empty()) return;
    const std::string spelled = tokenizer_.token_bytes(tokenizer_.end_ids().back());
    try {
      encoder.encode(std::vector<Message>{{"user", spelled}, {"assistant", spelled}});
    } catch (const Error& error) {
      findings_.push_back(cat("A chat in which people write '", spelled, "' is refused: ", error.what()));
    }
  }

  const Tokenizer& tokenizer_;
  const ChatTemplate& template_;
  std::vector<std::string> findings_;
};

}  // namespace

bool masks_answers(const TextStack& stack) {
  if (stack.chat_template == nullptr) return false;
  try {
    const EncodedChat chat = stack.encoder().encode(std::vector<Message>{{"user", "a"}, {"assistant", "b"}});
    return std::find(chat.assistant_mask.begin(), chat.assistant_mask.end(), 1) != chat.assistant_mask.end();
  } catch (const Error&) {
    return false;
  }
}

std::vector<std::string> check_template(const TextStack& stack) {
  if (stack.chat_template == nullptr) return {"The model carries no chat template."};
  try {
    return TemplateCheck(stack).run(stack.encoder());
  } catch (const Error& error) {
    return {cat("The chat template could not be checked: ", error.what())};
  }
}

}  // namespace afina::text
