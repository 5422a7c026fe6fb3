// SPDX-License-Identifier: Apache-2.0
// Renders of real templates against Python's jinja2 configured as transformers does.
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "tests/support/golden.h"
#include "text/chat_template.h"
#include "text/jinja.h"

namespace afina::text {
namespace {

std::filesystem::path template_folder() {
  return std::filesystem::path(AFINA_SOURCE_DIR) / ".deps" / "llama.cpp" / "models" / "templates";
}

OrderedJson golden_templates() {
  return parse_ordered_json(read_file(golden_path("text/templates.json")), "templates.json");
}

TEST(JinjaTemplate, renders_and_refuses_exactly_what_jinja2_renders_and_refuses) {
  const OrderedJson golden = golden_templates();
  size_t equal = 0;
  size_t refused = 0;
  for (const auto& [name, entry] : golden["templates"].items()) {
    const std::string source = read_file(template_folder() / name);
    ASSERT_EQ(sha256_hex(source), entry["sha256"].get<std::string>()) << name;
    const JinjaTemplate jinja(source);
    for (const auto& render : entry["renders"]) {
      const auto conversation = render["conversation"].get<std::string>();
      OrderedJson variables = golden["variables"];
      variables.erase("strftime_now");
      variables["messages"] = golden["conversations"][conversation];
      variables["add_generation_prompt"] = render["add_generation_prompt"];
      variables["tools"] = conversation == "tools" ? golden["tools"] : OrderedJson(nullptr);
      const auto ours = [&] { return jinja.render(variables, [](const std::string&) { return "21 Nov 2026"; }).text; };
      if (render.contains("error")) {
        ++refused;
        EXPECT_THROW(ours(), DataError) << name << " " << conversation;
      } else {
        ++equal;
        EXPECT_EQ(ours(), render["text"].get<std::string>()) << name << " " << conversation;
      }
    }
  }
  EXPECT_EQ(equal + refused, 296u);
  EXPECT_EQ(refused, 20u);
}

TEST(JinjaTemplate, parses_every_template_that_llama_cpp_ships_within_its_limits) {
  size_t parsed = 0;
  for (const auto& entry : std::filesystem::directory_iterator(template_folder())) {
    if (entry.path().extension() != ".jinja") continue;
    EXPECT_NO_THROW(JinjaTemplate(read_file(entry.path()))) << entry.path();
    ++parsed;
  }
  EXPECT_GE(parsed, 60u);
}

// Dates come from RenderOptions, never from the clock: the golden renders are of 21 Nov 2026.
TEST(ChatTemplate, renders_llama_3_with_the_date_it_is_given) {
  const OrderedJson golden = golden_templates();
  for (const char* name : {"meta-llama-Llama-3.1-8B-Instruct.jinja", "meta-llama-Llama-3.2-3B-Instruct.jinja",
                           "meta-llama-Llama-3.3-70B-Instruct.jinja"}) {
    const ChatTemplate chat_template(read_file(template_folder() / name),
                                     {{"bos_token", "<BOS>"}, {"eos_token", "<EOS>"}});
    for (const auto& render : golden["templates"][name]["renders"]) {
      const auto conversation = render["conversation"].get<std::string>();
      if (conversation == "tools") continue;
      std::vector<Message> messages;
      for (const auto& m : golden["conversations"][conversation])
        messages.push_back({m["role"], m["content"]});
      RenderOptions options{.add_generation_prompt = render["add_generation_prompt"].get<bool>(), .date = "2026-11-21"};
      EXPECT_EQ(chat_template.render(messages, options).text, render["text"].get<std::string>()) << name;
      options.date = "2024-07-26";
      EXPECT_NE(chat_template.render(messages, options).text, render["text"].get<std::string>()) << name;
    }
  }
}

}  // namespace
}  // namespace afina::text
