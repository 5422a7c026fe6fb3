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

TEST(CollectorConfig, ProgramsWithoutAnAccountVisitOnlyWhereNobodyElseComesInUnlessToldOtherwise) {
  CollectorConfig config = good_config();
  EXPECT_TRUE(takes_programs(config)) << "on one's own machine";
  config.public_hosts = {"afina.example.org"};
  EXPECT_FALSE(takes_programs(config)) << "behind a proxy";
  config.api_visits = true;
  EXPECT_TRUE(takes_programs(config)) << "as the operator says";
  config = good_config();
  config.allow_remote = true;
  EXPECT_FALSE(takes_programs(config));
  config.allow_remote = false;
  config.api_visits = false;
  EXPECT_FALSE(takes_programs(config));
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

TEST(CollectorConfig, LeadsIntoAPrivateNetworkOnlyWhereItSaysSo) {
  const auto problem_of = [](const std::string& flag) -> std::string {
    CollectorConfig config;
    config.upstreams.push_back(parse_upstream_flag(flag));
    try {
      validate(config);
    } catch (const UsageError& error) {
      return error.what();
    }
    return "";
  };
  for (const char* good :
       {"a=http://127.0.0.1:9", "a=http://[::1]:9/v1", "a=http://localhost:9", "a=https://api.example/v1",
        "a=http://10.0.0.5:8000,allow_private=true", "a=http://gpu.example:8000"}) {
    EXPECT_EQ(problem_of(good), "") << good;
  }
  for (const char* bad : {"a=http://10.0.0.5:8000", "a=http://169.254.169.254/", "a=http://[fd00::1]/",
                          "a=http://0.0.0.0:9", "a=http://[::ffff:127.0.0.1]x/"}) {
    EXPECT_NE(problem_of(bad), "") << bad;
  }
  EXPECT_NE(problem_of("a=http://192.168.1.1").find("allow_private"), std::string::npos);
  for (const char* odd :
       {"a=http://2130706433", "a=http://user:pw@host", "a=http://host?x=1", "a=http://", "a=http://host#x"}) {
    EXPECT_NE(problem_of(odd), "") << odd;
  }
  // A name that leads home is refused when it is asked for, unless it says what it is.
  EXPECT_FALSE(address_policy(parse_upstream_flag("a=http://gpu.example:8000")).allow_loopback);
  EXPECT_TRUE(address_policy(parse_upstream_flag("a=http://localhost:8000")).allow_loopback);
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
