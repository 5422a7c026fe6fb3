// SPDX-License-Identifier: Apache-2.0
#include "base/config_fields.h"

#include <gtest/gtest.h>

namespace afina {
namespace {

enum class Colour { red, blue };
std::string_view to_string(Colour c) {
  return c == Colour::red ? "red" : "blue";
}
bool from_string(std::string_view text, Colour& out) {
  if (text != "red" && text != "blue") return false;
  out = text == "red" ? Colour::red : Colour::blue;
  return true;
}

struct Sample {
  double learning_rate = 1e-4;
  int seed = 42;
  bool shuffle = true;
  std::vector<std::string> names;
  std::optional<std::string> note;
  Colour colour = Colour::red;
};
template <typename C, typename V>
void for_each_field(C& c, V&& visit) {
  visit("learning_rate", c.learning_rate, FieldInfo{"step size", 0, 1});
  visit("seed", c.seed, FieldInfo{"seed"});
  visit("shuffle", c.shuffle, FieldInfo{"order"});
  visit("names", c.names, FieldInfo{"names"});
  visit("note", c.note, FieldInfo{"note"});
  visit("colour", c.colour, FieldInfo{"colour"});
}

TEST(ConfigFields, ReadsJsonAndWritesTheWholeRecord) {
  Sample sample;
  read_config(sample, Json::parse(R"({"learning_rate":0.5,"names":["a","b"],"note":"x","colour":"blue"})"), "run.json");
  EXPECT_EQ(sample.learning_rate, 0.5);
  EXPECT_EQ(dump_json(config_json(sample)),
            R"({"learning_rate":0.5,"seed":42,"shuffle":true,"names":["a","b"],"note":"x","colour":"blue"})");
}

TEST(ConfigFields, NamesTheNearestKeyForAnUnknownOne) {
  Sample sample;
  try {
    read_config(sample, Json::parse(R"({"learnin_rate":1})"), "run.json");
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_NE(std::string(error.what()).find("\"learning_rate\""), std::string::npos) << error.what();
  }
}

TEST(ConfigFields, TakesSetArguments) {
  Sample sample;
  set_field_from_text(sample, "learning_rate=5e-5", "--set");
  set_field_from_text(sample, "names=q_proj,v_proj", "--set");
  set_field_from_text(sample, "note=12", "--set");
  set_field_from_text(sample, "shuffle=false", "--set");
  EXPECT_EQ(sample.learning_rate, 5e-5);
  EXPECT_EQ(sample.names, (std::vector<std::string>{"q_proj", "v_proj"}));
  EXPECT_EQ(sample.note, "12");
  EXPECT_FALSE(sample.shuffle);
  EXPECT_THROW(set_field_from_text(sample, "seed=1.5", "--set"), UsageError);
  EXPECT_THROW(set_field_from_text(sample, "seed", "--set"), UsageError);
  EXPECT_THROW(set_field_from_text(sample, "colour=green", "--set"), UsageError);
}

TEST(ConfigFields, ListsEveryNumberOutOfRange) {
  Sample sample;
  sample.learning_rate = 2;
  const auto problems = range_problems(sample);
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(problems[0], "learning_rate must be at least 0 and at most 1, but got 2");
}

}  // namespace
}  // namespace afina
