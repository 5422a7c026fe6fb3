// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <map>
#include <regex>
#include <set>

#include "collector/consent_texts.h"
#include "collector/wire.h"
#include "storage/accounts/accounts.h"
#include "storage/judgements/details.h"

namespace afina::collector {
namespace {

Json catalogue(std::string_view locale) {
  return parse_json(site_file(cat("locales/", locale, ".json")), std::string(locale));
}

std::set<std::string> placeholders(const std::string& text) {
  std::set<std::string> names;
  const std::regex part(R"(\{(\w+)\})");
  for (std::sregex_iterator it(text.begin(), text.end(), part), end; it != end; ++it)
    names.insert((*it)[1]);
  return names;
}

/// Every key the page's HTML and scripts name, without those put together from parts.
std::set<std::string> keys_used() {
  std::set<std::string> keys;
  const std::regex in_html(R"re(data-i18n(?:-label)?="([^"]+)")re");
  const std::regex in_script(R"re((?:[^\w]t\(|say\(|nav: |title: )"([^"]+)")re");
  for (const std::string_view name : site_files()) {
    const std::string text(site_file(name));
    const bool html = name.ends_with(".html");
    if (!html && !name.ends_with(".js")) continue;
    for (std::sregex_iterator it(text.begin(), text.end(), html ? in_html : in_script), end; it != end; ++it) {
      keys.insert((*it)[1]);
    }
  }
  return keys;
}

TEST(Catalogue, HasTheSameKeysAndPlaceholdersInEveryLanguage) {
  const Json spanish = catalogue("es");
  ASSERT_GT(spanish.size(), 400u);
  for (const std::string_view locale : kLocales) {
    const Json other = catalogue(locale);
    for (const auto& [key, text] : spanish.items()) {
      ASSERT_TRUE(other.contains(key)) << locale << " lacks " << key;
      EXPECT_FALSE(other[key].get<std::string>().empty()) << locale << " " << key;
      EXPECT_EQ(placeholders(text), placeholders(other[key])) << locale << " " << key;
    }
    for (const auto& [key, text] : other.items())
      EXPECT_TRUE(spanish.contains(key)) << locale << " alone has " << key;
  }
}

TEST(Catalogue, IsTranslatedAndNotCopied) {
  const Json spanish = catalogue("es"), portuguese = catalogue("pt"), english = catalogue("en");
  // Names of formats and of coefficients, and words that are the same in two languages.
  const std::regex name("format_.*|admin_webhooks|alpha_.*|seconds|role_auditor|menu");
  for (const auto& [key, text] : spanish.items()) {
    if (std::regex_match(key, name)) continue;
    EXPECT_NE(text, english[key]) << key;
    EXPECT_NE(portuguese[key], english[key]) << key;
  }
}

TEST(Catalogue, OfALanguageThatIsNotWholeHoldsItsOwnNameAndNothingThePageHasNoPlaceFor) {
  const Json spanish = catalogue("es");
  for (const char* locale : {"rap", "arn", "qu", "gn", "ay"}) {
    const Json other = catalogue(locale);
    EXPECT_TRUE(other.contains("_name")) << locale;
    for (const auto& [key, text] : other.items()) {
      ASSERT_TRUE(spanish.contains(key)) << locale << " alone has " << key;
      EXPECT_NE(text, spanish[key]) << locale << " " << key << ": Spanish is no translation";
      EXPECT_EQ(placeholders(spanish[key]), placeholders(text)) << locale << " " << key;
    }
  }
}

/// Ids of the server that the page shows by words: prefix and id make the key.
TEST(Catalogue, HasWordsForEveryIdTheServerSends) {
  const Json spanish = catalogue("es");
  const std::map<std::string, std::vector<std::string>> families{
      {"kind_", {"pairwise", "ranking", "rating", "rewrite", "flagging"}},
      {"project_", {"open", "paused", "finished"}},
      {"none_", {"none_left", "training_failed", "paused", "capped", "away"}},
      {"note_", {"good", "bad", "wrong", "personal_data", "dialect", "other"}},
      {"rate_", {"1", "2", "3", "4", "5"}},
      {"confidence_", {"1", "2", "3", "4"}},
      {"skip_policy_", {"requeue_for_others", "requeue_for_me", "drop"}},
      {"scope_", {"chat", "judge", "tasks", "review", "read", "data", "admin", "proxy"}},
      {"export_", {"judgements", "dpo", "sft", "kto", "rankings", "conversations"}},
      {"format_",
       {"text", "markdown", "qa", "jsonl", "argilla", "label_studio", "open_assistant", "lmsys", "sharegpt"}},
      {"admin_", {"accounts", "invitations", "tokens", "webhooks", "audit"}},
      {"role_", {"user", "assistant", "system"}}};
  for (const auto& [prefix, ids] : families) {
    for (const std::string& id : ids)
      EXPECT_TRUE(spanish.contains(prefix + id)) << prefix << id;
  }
  using storage::Aspect, storage::FlagKind, storage::Role;
  for (const Aspect aspect : {Aspect::helpful, Aspect::truthful, Aspect::harmless, Aspect::cultural_fit,
                              Aspect::dialect, Aspect::clarity, Aspect::follows_regulation}) {
    EXPECT_TRUE(spanish.contains(cat("aspect_", to_string(aspect)))) << to_string(aspect);
    EXPECT_TRUE(spanish.contains(cat("aspect_", to_string(aspect), "_help"))) << to_string(aspect);
  }
  for (const FlagKind kind : {FlagKind::toxic, FlagKind::personal_data, FlagKind::hallucination})
    EXPECT_TRUE(spanish.contains(cat("flag_", to_string(kind))));
  for (const Role role : {Role::annotator, Role::reviewer, Role::engineer, Role::admin, Role::auditor})
    EXPECT_TRUE(spanish.contains(cat("role_", to_string(role))));
}

TEST(Catalogue, HasEveryTextThePageAsksFor) {
  const Json spanish = catalogue("es");
  const auto used = keys_used();
  ASSERT_GT(used.size(), 250u);
  for (const std::string& key : used)
    EXPECT_TRUE(spanish.contains(key)) << key;
  for (const char* outcome : {"3", "2", "1", "0", "-1", "-2", "-3", "both_good", "both_bad", "cannot_judge"}) {
    EXPECT_TRUE(spanish.contains(cat("vote_", outcome))) << outcome;
  }
}

TEST(Catalogue, HasWordsForEveryErrorOfTheServer) {
  const Json spanish = catalogue("es");
  for (const std::string_view code : kErrorCodes)
    EXPECT_TRUE(spanish.contains(cat("error.", code))) << code;
}

TEST(ConsentTexts, AskTheSameInEveryLanguage) {
  const auto documents = load_consent_documents("Cooperativa \"El Faro\"", "faro@example.org");
  ASSERT_EQ(documents.size(), std::size(kLocales));
  const ConsentDocument& spanish = documents.at("es");
  EXPECT_EQ(spanish.required, std::vector<std::string>{"collect"});
  for (const auto& [locale, document] : documents) {
    EXPECT_EQ(document.purposes, spanish.purposes) << locale;
    EXPECT_EQ(document.required, spanish.required) << locale;
    EXPECT_EQ(document.json.at("version"), spanish.json.at("version")) << locale;
    EXPECT_EQ(document.json.at("sections").size(), spanish.json.at("sections").size()) << locale;
    EXPECT_NE(document.body.find("El Faro"), std::string::npos) << locale;
    EXPECT_EQ(document.body.find("{operator}"), std::string::npos) << locale;
    EXPECT_EQ(document.sha256.size(), 64u);
  }
}

TEST(ConsentTexts, OtherWordsAreAnotherVersion) {
  const auto one = load_consent_documents("A", ""), other = load_consent_documents("B", "");
  EXPECT_NE(one.at("pt").version, other.at("pt").version);
  EXPECT_NE(one.at("pt").sha256, other.at("pt").sha256);
}

TEST(Site, AsksNobodyElseForAnythingAndMakesNoElementsFromText) {
  // An XML namespace is a name, not an address.
  const std::regex address(R"(https?://(?!www\.w3\.org/2000/svg))"),
      markup(R"(innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|style=|<script>|onclick=")");
  for (const std::string_view name : site_files()) {
    const std::string text(site_file(name));
    EXPECT_FALSE(std::regex_search(text, address)) << name;
    EXPECT_FALSE(std::regex_search(text, markup)) << name;
  }
}

}  // namespace
}  // namespace afina::collector
