// SPDX-License-Identifier: Apache-2.0
#include "collector/config.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/file.h"
#include "tests/support/temp_folder.h"

namespace afina::collector {
namespace {

CollectorConfig good_config() {
  CollectorConfig config;
  config.upstreams.push_back(parse_upstream_flag("base=http://127.0.0.1:9"));
  return config;
}

TEST(CollectorConfig, ReadsAnUpstreamFlag) {
  const auto upstream =
      parse_upstream_flag("mi modelo=https://example.org/v1,model=llama,temperature=0.5,max_tokens=80");
  EXPECT_EQ(upstream.name, "mi modelo");
  EXPECT_EQ(upstream.base_url, "https://example.org/v1");
  EXPECT_EQ(upstream.model, "llama");
  EXPECT_EQ(upstream.temperature, 0.5);
  EXPECT_EQ(upstream.max_tokens, 80);
}

TEST(CollectorConfig, NamesTheNearestKeyForAnUnknownOne) {
  try {
    parse_upstream_flag("a=http://x,temprature=1");
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("temperature"), std::string::npos) << error.what();
  }
}

TEST(CollectorConfig, TellsEveryProblemAtOnce) {
  CollectorConfig config = good_config();
  config.upstreams.push_back(parse_upstream_flag("base=ftp://x,temperature=9"));
  config.pairing = Pairing::base_vs_adapter;
  config.base = "base";
  config.adapter = "nobody";
  try {
    validate(config);
    FAIL();
  } catch (const UsageError& error) {
    const std::string text = error.what();
    for (const char* part : {"named twice", "ftp://x", "temperature", "nobody"}) {
      EXPECT_NE(text.find(part), std::string::npos) << part << " in " << text;
    }
  }
}

TEST(CollectorConfig, ReadsAFileWithCommentsAndRefusesUnknownKeys) {
  const TempFolder folder;
  const auto path = folder.path() / "collector.json";
  write_file_atomic(path, R"({"operator_name": "El Faro", // who
    "pairing": "self", "upstreams": [{"name": "a", "base_url": "http://127.0.0.1:9"}]})");
  CollectorConfig config;
  read_config_file(config, path);
  EXPECT_EQ(config.operator_name, "El Faro");
  EXPECT_EQ(config.pairing, Pairing::self);
  ASSERT_EQ(config.upstreams.size(), 1u);
  validate(config);
  write_file_atomic(path, R"({"upstreams": [{"name": "a", "url": "x"}]})");
  EXPECT_THROW(read_config_file(config, path), UsageError);
  write_file_atomic(path, R"({"upstream": []})");
  EXPECT_THROW(read_config_file(config, path), UsageError);
}

TEST(CollectorConfig, RefusesAKeyFileThatOthersCanRead) {
  const TempFolder folder;
  UpstreamConfig upstream;
  upstream.api_key_file = (folder.path() / "key").string();
  write_file_atomic(upstream.api_key_file, "secret\n");
  ASSERT_EQ(::chmod(upstream.api_key_file.c_str(), 0644), 0);
  EXPECT_THROW(read_api_key(upstream), UsageError);
  ASSERT_EQ(::chmod(upstream.api_key_file.c_str(), 0600), 0);
  EXPECT_EQ(read_api_key(upstream), "secret");
}

TEST(CollectorConfig, RefusesAKeyThatIsNotSet) {
  UpstreamConfig upstream;
  upstream.api_key_env = "AFINA_TEST_NO_SUCH_VARIABLE";
  EXPECT_THROW(read_api_key(upstream), UsageError);
}

}  // namespace
}  // namespace afina::collector
