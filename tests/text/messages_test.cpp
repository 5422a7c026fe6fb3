// SPDX-License-Identifier: Apache-2.0
#include "text/messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace afina::text {
namespace {

using testing::HasSubstr;

ChatInput parse(const std::string& json) {
  return parse_chat(parse_ordered_json(json, "test"), "test");
}

TEST(ParseChat, reads_a_list_or_an_object_and_keeps_plain_messages_plain) {
  for (const char* json :
       {R"([{"role":"user","content":"hola"}])", R"({"messages":[{"role":"user","content":"hola"}]})"}) {
    const ChatInput chat = parse(json);
    EXPECT_EQ(chat.messages, (std::vector<Message>{{"user", "hola"}})) << json;
    EXPECT_FALSE(chat.options.add_generation_prompt);
  }
}

TEST(ParseChat, keeps_every_key_of_other_messages_in_its_order) {
  const char* kMessage =
      R"({"content":null,"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{}"}}]})";
  const ChatInput chat = parse(std::string("[") + kMessage + "]");
  EXPECT_EQ(chat.messages[0].role, "assistant");
  EXPECT_EQ(chat.messages[0].content, "");
  EXPECT_EQ(dump_json(message_json(chat.messages[0])), kMessage);
}

TEST(ParseChat, reads_options_and_tools_that_are_json_text) {
  const ChatInput chat =
      parse(R"({"messages":[{"role":"user","content":"x"}],"add_generation_prompt":true,"tools":"[{\"name\":\"f\"}]",)"
            R"("documents":[{"title":"t"}],"date":"2026-11-21","chat_template_kwargs":{"enable_thinking":false}})");
  EXPECT_TRUE(chat.options.add_generation_prompt);
  EXPECT_EQ(dump_json(chat.options.tools), R"([{"name":"f"}])");
  EXPECT_EQ(dump_json(chat.options.variables), R"({"enable_thinking":false,"documents":[{"title":"t"}]})");
  EXPECT_EQ(chat.options.date, "2026-11-21");
}

TEST(ParseChat, names_the_message_or_key_that_is_wrong) {
  const std::pair<const char*, const char*> bad[] = {
      {"3", "list of messages"},
      {"[]", "at least one"},
      {"{}", "\"messages\""},
      {R"({"messages":"hola"})", "list of messages"},
      {R"([{"role":"user","content":"x"},"hola"])", "message 1"},
      {R"([{"content":"x"}])", "\"role\""},
      {R"([{"role":3,"content":"x"}])", "\"role\""},
      {R"([{"role":"user","content":3}])", "\"content\""},
      {R"({"messages":[{"role":"user"}],"add_generation_prompt":1})", "add_generation_prompt"},
      {R"({"messages":[{"role":"user"}],"tools":"["})", "tools"},
      {R"({"messages":[{"role":"user"}],"tools":{}})", "\"tools\""},
      {R"({"messages":[{"role":"user"}],"date":3})", "\"date\""},
      {R"({"messages":[{"role":"user"}],"documents":{}})", "\"documents\""},
      {R"({"messages":[{"role":"user"}],"chat_template_kwargs":[]})", "chat_template_kwargs"},
  };
  for (const auto& [json, word] : bad) {
    try {
      parse(json);
      ADD_FAILURE() << json;
    } catch (const DataError& error) {
      EXPECT_THAT(error.what(), HasSubstr(word)) << json;
    }
  }
}

}  // namespace
}  // namespace afina::text
