// SPDX-License-Identifier: Apache-2.0
// Every feature of transformers' template dialect, snippet by snippet, against jinja2 itself (jinja_features.json).
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/file.h"
#include "text/frozen_date.h"
#include "text/jinja.h"

namespace afina::text {
namespace {

TEST(JinjaFeatures, every_snippet_gives_what_jinja2_gives_or_fails_where_it_fails) {
  const auto path = std::filesystem::path(AFINA_SOURCE_DIR) / "tests" / "text" / "jinja_features.json";
  const OrderedJson golden = parse_ordered_json(read_file(path), "jinja_features.json");
  const FrozenDate date("2026-11-21");
  size_t renders = 0;
  size_t failures = 0;
  for (const auto& snippet : golden["cases"]) {
    const auto source = snippet["template"].get<std::string>();
    const auto ours = [&] {
      try {
        return JinjaTemplate(source)
            .render(golden["variables"], [&](const std::string& format) { return date.format(format); })
            .text;
      } catch (const Error& error) {
        return std::string("refused");
      }
    };
    ++(snippet.contains("error") ? failures : renders);
    EXPECT_EQ(ours(), snippet.contains("error") ? "refused" : snippet["text"].get<std::string>()) << source;
  }
  EXPECT_GE(renders, 90u);
  EXPECT_GE(failures, 35u);
}

}  // namespace
}  // namespace afina::text
