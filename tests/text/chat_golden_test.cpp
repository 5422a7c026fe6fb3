// SPDX-License-Identifier: Apache-2.0
// Chats of SmolLM2 against transformers: text, ids, generation prompt and assistant mask; and the twin without parsing
// of what people spell.
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "tests/support/golden.h"
#include "text/text_stack.h"

namespace afina::text {
namespace {

const TextStack& stack() {
  static const TextStack loaded = load_text_stack(smollm2_gguf());
  return loaded;
}

std::vector<Message> messages_of(const Json& conversation) {
  std::vector<Message> messages;
  for (const auto& message : conversation["messages"])
    messages.push_back({message["role"], message["content"]});
  return messages;
}

Json golden_chats() {
  Json golden = parse_json(read_file(golden_path("smollm2/chat.json")), "chat.json");
  return golden["conversations"];
}

size_t controls_in(const std::vector<int32_t>& ids) {
  return static_cast<size_t>(
      std::count_if(ids.begin(), ids.end(), [](int32_t id) { return stack().tokenizer->is_special(id); }));
}

TEST(SmolLm2Chat, gives_the_golden_text_ids_and_mask_when_it_parses_what_people_spell) {
  const ChatEncoder encoder = stack().encoder();
  const Json chats = golden_chats();
  ASSERT_EQ(chats.size(), 14u);
  for (const auto& golden : chats) {
    const auto messages = messages_of(golden);
    if (golden.contains("error")) {
      EXPECT_THROW(encoder.encode(messages, {.parse_special = true}), DataError);
      continue;
    }
    const EncodedChat chat = encoder.encode(messages, {.parse_special = true});
    EXPECT_EQ(chat.text, golden["text"].get<std::string>());
    EXPECT_EQ(chat.ids, golden["ids"].get<std::vector<int32_t>>()) << chat.text;
    EXPECT_EQ(chat.assistant_mask, golden["mask"].get<std::vector<uint8_t>>()) << chat.text;
    const EncodedChat prompt = encoder.encode(messages, {.add_generation_prompt = true, .parse_special = true});
    EXPECT_EQ(prompt.text, golden["text_gen"].get<std::string>());
    EXPECT_EQ(prompt.ids, golden["ids_gen"].get<std::vector<int32_t>>()) << prompt.text;
  }
}

TEST(SmolLm2Chat, equals_the_golden_ids_wherever_nobody_spelled_a_control_token) {
  const ChatEncoder encoder = stack().encoder();
  size_t injections = 0;
  for (const auto& golden : golden_chats()) {
    if (golden.contains("error")) continue;
    const auto messages = messages_of(golden);
    const EncodedChat chat = encoder.encode(messages);
    EXPECT_EQ(chat.text, golden["text"].get<std::string>());
    EXPECT_EQ(stack().tokenizer->decode(chat.ids), chat.text);
    const auto golden_ids = golden["ids"].get<std::vector<int32_t>>();
    if (chat.text.find("inject") == std::string::npos) {
      EXPECT_EQ(chat.ids, golden_ids) << chat.text;
      EXPECT_EQ(chat.assistant_mask, golden["mask"].get<std::vector<uint8_t>>()) << chat.text;
    } else {
      ++injections;
      EXPECT_LT(controls_in(chat.ids), controls_in(golden_ids));
    }
    const bool has_system = messages[0].role == "system";
    EXPECT_EQ(controls_in(chat.ids), 2 * (messages.size() + (has_system ? 0 : 1))) << chat.text;
  }
  EXPECT_EQ(injections, 1u);
}

TEST(SmolLm2Chat, trains_only_the_answer_when_an_answer_spells_the_end_of_turn) {
  const std::vector<Message> messages = {{"user", "a"}, {"assistant", "x <|im_end|> y"}};
  const EncodedChat chat = stack().encoder().encode(messages);
  std::vector<int32_t> trained;
  for (size_t i = 0; i < chat.ids.size(); ++i) {
    if (chat.assistant_mask[i] == 1) trained.push_back(chat.ids[i]);
  }
  EXPECT_EQ(stack().tokenizer->decode(trained), "x <|im_end|> y<|im_end|>");
  EXPECT_EQ(std::count(trained.begin(), trained.end(), 2), 1);
}

TEST(SmolLm2Chat, passes_the_round_trip_check) {
  EXPECT_EQ(check_template(stack()), std::vector<std::string>{});
}

// Made by transformers with the 3.1 template; the vocabulary is 3.0's, whose names of these tokens
// agree.
TEST(Llama31Chat, gives_the_reference_ids) {
  const auto models = std::filesystem::path(AFINA_SOURCE_DIR) / ".deps" / "llama.cpp" / "models";
  TextStack llama = load_text_stack(models / "ggml-vocab-llama-bpe.gguf");
  llama.chat_template =
      std::make_shared<const ChatTemplate>(read_file(models / "templates" / "meta-llama-Llama-3.1-8B-Instruct.jinja"),
                                           std::map<std::string, std::string>{{"bos_token", "<|begin_of_text|>"}});
  const std::vector<int32_t> system = {128000, 128006, 9125,  128007, 271,  38766, 1303,  33025, 2696,
                                       25,     6790,   220,   2366,   18,   198,   15724, 2696,  25,
                                       220,    1627,   10263, 220,    2366, 19,    271,   128009};
  const std::vector<int32_t> user = {128006, 882, 128007, 271, 69112, 11, 29386, 64591, 8374, 30, 128009};
  std::vector<int32_t> prompt = system;
  prompt.insert(prompt.end(), user.begin(), user.end());
  prompt.insert(prompt.end(), {128006, 78191, 128007, 271});
  const std::vector<Message> question = {{"user", " Hola, ¿qué tal? \n"}};
  EXPECT_EQ(llama.encoder().encode(question, {.add_generation_prompt = true}).ids, prompt);

  const std::vector<Message> chat = {question[0], {"assistant", "Bien.\n"}};
  std::vector<int32_t> whole = prompt;
  whole.insert(whole.end(), {82606, 13, 128009});
  const EncodedChat encoded = llama.encoder().encode(chat);
  EXPECT_EQ(encoded.ids, whole);
  std::vector<uint8_t> mask(prompt.size(), 0);
  mask.insert(mask.end(), 3, 1);
  EXPECT_EQ(encoded.assistant_mask, mask);

  // The trap of base vocabularies: end of text and end of turn differ.
  const auto findings = check_template(llama);
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_NE(findings[1].find("writes a date into every chat"), std::string::npos);
  EXPECT_NE(findings[0].find("'<|eot_id|>' (128009), but the model names '<|end_of_text|>' (128001)"),
            std::string::npos);
}

TEST(TextStack, keeps_the_template_of_the_file_byte_for_byte) {
  EXPECT_EQ(stack().chat_template->source().size(), 368u);
  EXPECT_EQ(stack().chat_template->sha256(), sha256_hex(stack().chat_template->source()));
  EXPECT_FALSE(stack().chat_template->marks_generation());
}

}  // namespace
}  // namespace afina::text
