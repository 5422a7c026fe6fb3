// SPDX-License-Identifier: Apache-2.0
// Folders of weights: streams, shards and the index, honest ones and those that lie.
#include "formats/safetensors_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "formats/safetensors_stream.h"
#include "tests/support/golden.h"
#include "tests/support/temp_folder.h"

namespace afina::formats {
namespace {

namespace fs = std::filesystem;

std::vector<std::byte> filled(size_t size, int value) {
  return std::vector<std::byte>(size, static_cast<std::byte>(value));
}

class Weights : public testing::Test {
 protected:
  fs::path path(const std::string& name = "") const { return name.empty() ? folder_.path() : folder_.path() / name; }
  size_t files() const { return static_cast<size_t>(std::distance(fs::directory_iterator(folder_.path()), {})); }

  // Tensors a (8 bytes), b (8), c (24) and d (4) in shards of at most 16 bytes: c alone (it is put away
  // at once, as huggingface_hub does), a and b, d.
  void write_shards() {
    std::vector<TensorPlan> plans{
        {"a", DType::f32, {2}}, {"b", DType::f32, {2}}, {"c", DType::f32, {6}}, {"d", DType::f32, {}}};
    ShardedSafetensors out(path(), plans, 16);
    out.write("d", filled(4, 4));
    out.write("c", filled(24, 3));
    out.write("b", filled(8, 2));
    out.write("a", filled(8, 1));
    out.finish();
  }
  std::string error_of(const fs::path& where) const {
    try {
      const SafetensorsSet set(where);
    } catch (const ModelError& error) {
      return error.what();
    }
    return "accepted";
  }

 private:
  TempFolder folder_;
};

TEST_F(Weights, AStreamTakesTensorsInAnyOrder) {
  SafetensorsStream stream(path("a.safetensors"),
                           {{"x", DType::u8, {3}}, {"y", DType::f32, {2}}, {"z", DType::f32, {0}}}, {{"note", "here"}});
  stream.write("x", filled(3, 7));
  stream.write("z", {});
  stream.write("y", filled(8, 9));
  EXPECT_FALSE(fs::exists(path("a.safetensors"))) << "nothing under the name before finish()";
  stream.finish();
  EXPECT_EQ(files(), 1U);
  const SafetensorsFile file(path("a.safetensors"));
  EXPECT_EQ(file.tensors().front().name, "y") << "sorted as the one-call writer sorts";
  EXPECT_EQ(file.at("x").bytes[2], std::byte{7});
  EXPECT_EQ(file.metadata().at("note"), "here");
  const std::vector<TensorView> views(file.tensors());
  EXPECT_EQ(safetensors_bytes(views, file.metadata()), read_file(path("a.safetensors")));
}

TEST_F(Weights, AStreamWithoutFinishLeavesNothing) {
  {
    SafetensorsStream stream(path("a.safetensors"), {{"x", DType::u8, {3}}});
    EXPECT_THROW(stream.finish(), InternalError);
    EXPECT_THROW(stream.write("y", {}), InternalError);
    EXPECT_THROW(stream.write("x", filled(2, 0)), DataError);
    stream.write("x", filled(3, 0));
    EXPECT_THROW(stream.write("x", filled(3, 0)), InternalError);
  }
  EXPECT_EQ(files(), 0U);
  EXPECT_THROW(SafetensorsStream(path("a"), {{"x", DType::u8, {1}}, {"x", DType::u8, {1}}}), DataError);
  EXPECT_THROW(SafetensorsStream(path("a"), {{"x", DType::u8, {-1}}}), DataError);
  EXPECT_THROW(SafetensorsStream(path("a"), {{"x", DType::f4, {3}}}), DataError);
  EXPECT_THROW(SafetensorsStream(path("a"), {{"x", DType::f64, {int64_t{1} << 40, int64_t{1} << 40}}}), DataError);
  EXPECT_THROW(SafetensorsStream(path("no") / "a", {{"x", DType::u8, {1}}}), StorageError);
  EXPECT_EQ(files(), 0U);
}

TEST_F(Weights, ShardsAreFilledInOrderAndIndexedAsTransformersDoes) {
  write_shards();
  EXPECT_EQ(files(), 4U);
  EXPECT_EQ(read_file(path("model.safetensors.index.json")), R"({
  "metadata": {
    "total_size": 44
  },
  "weight_map": {
    "a": "model-00002-of-00003.safetensors",
    "b": "model-00002-of-00003.safetensors",
    "c": "model-00001-of-00003.safetensors",
    "d": "model-00003-of-00003.safetensors"
  }
}
)");
  for (const fs::path& where : {path(), path("model.safetensors.index.json")}) {
    const SafetensorsSet set(where);
    EXPECT_EQ(set.files().size(), 3U);
    EXPECT_EQ(set.tensors().size(), 4U);
    EXPECT_EQ(set.total_bytes(), 44U);
    EXPECT_EQ(set.at("c").bytes[5], std::byte{3});
    EXPECT_EQ(set.at("d").shape, std::vector<int64_t>{});
    EXPECT_EQ(set.find("e"), nullptr);
    EXPECT_THROW(set.at("e"), ModelError);
    EXPECT_EQ(set.metadata().at("format"), "pt");
  }
}

TEST_F(Weights, OneShardNeedsNoIndex) {
  ShardedSafetensors out(path("new folder"), {{"a", DType::f32, {2}}});
  out.write("a", filled(8, 1));
  EXPECT_THROW(out.write("b", {}), InternalError);
  out.finish();
  EXPECT_EQ(out.files(), std::vector<std::string>{"model.safetensors"});
  EXPECT_TRUE(has_safetensors(path("new folder")));
  EXPECT_FALSE(has_safetensors(path()));
  EXPECT_EQ(SafetensorsSet(path("new folder")).tensors().size(), 1U);
}

TEST_F(Weights, UnknownKeysOfTheIndexAreIgnored) {
  write_shards();
  Json index = parse_json(read_file(path("model.safetensors.index.json")), "index");
  index["metadata"]["total_parameters"] = 11;
  index["metadata"]["total_size"] = 1;
  index["extra"] = Json::parse(R"([1, -2.5e+3, true, null, {"a": {"b": []}}, "\u00e9"])");
  write_file_atomic(path("model.safetensors.index.json"), dump_json(index));
  EXPECT_EQ(error_of(path()), "accepted");
}

struct IndexCase {
  const char* name;
  std::function<void(Json&)> change;
  const char* says;
};

TEST_F(Weights, EveryLieOfAnIndexIsNamed) {
  write_shards();
  const auto index_path = path("model.safetensors.index.json");
  const Json honest = parse_json(read_file(index_path), "index");
  const auto file_named = [](const std::string& name) {
    return [name](Json& index) { index["weight_map"]["a"] = name; };
  };
  const std::vector<IndexCase> cases{
      {"no weight map", [](Json& index) { index.erase("weight_map"); }, "weight_map"},
      {"weight map is a list", [](Json& index) { index["weight_map"] = Json::array(); }, "weight_map"},
      {"empty weight map", [](Json& index) { index["weight_map"] = Json::object(); }, "empty"},
      {"file is a number", [](Json& index) { index["weight_map"]["a"] = 3; }, "name of a file for tensor \"a\""},
      {"parent folder", file_named("../secret.safetensors"), "plain file names"},
      {"absolute", file_named("/etc/x.safetensors"), "plain file names"},
      {"folder", file_named("sub/model.safetensors"), "plain file names"},
      {"backslash", file_named("sub\\model.safetensors"), "plain file names"},
      {"two dots", file_named(".."), "plain file names"},
      {"empty name", file_named(""), "plain file names"},
      {"NUL", file_named(std::string("a\0.safetensors", 14)), "plain file names"},
      {"pickle", file_named("pytorch_model.bin"), "plain file names"},
      {"long name", file_named(std::string(300, 'n') + ".safetensors"), "plain file names"},
      {"missing shard", [](Json& index) { index["weight_map"]["zz"] = "model-00000-of-00009.safetensors"; },
       "that file is missing"},
      {"tensor in another file", file_named("model-00001-of-00003.safetensors"), "named in another file"},
      {"tensor nowhere", [](Json& index) { index["weight_map"]["zz"] = "model-00001-of-00003.safetensors"; },
       "has no tensor \"zz\""},
      {"tensor not named", [](Json& index) { index["weight_map"].erase("b"); }, "\"b\" of model-00002-of-00003"},
  };
  for (const IndexCase& entry : cases) {
    Json index = honest;
    entry.change(index);
    write_file_atomic(index_path, dump_json(index));
    EXPECT_THAT(error_of(path()), testing::HasSubstr(entry.says)) << entry.name;
  }
  for (const char* text :
       {"{\"x\":[1:2],\"weight_map\":{}}", "{\"x\":[1,],\"weight_map\":{}}", "{\"x\":tru}", "{\"x\":-}", "{} {}", "",
        "[]", "3", "{", "{\"weight_map\":{\"a\":\"x\",\"a\":\"y\"}}", "\xff"}) {
    write_file_atomic(index_path, text);
    EXPECT_THAT(error_of(path()), testing::HasSubstr("must")) << text;
  }
}

TEST_F(Weights, ATensorInTwoShardsIsRefused) {
  write_shards();
  fs::copy_file(path("model-00001-of-00003.safetensors"), path("model-00003-of-00003.safetensors"),
                fs::copy_options::overwrite_existing);
  EXPECT_THAT(error_of(path()), testing::HasSubstr("another file"));
}

TEST_F(Weights, ATruncatedShardIsNamed) {
  write_shards();
  fs::resize_file(path("model-00002-of-00003.safetensors"), 100);
  EXPECT_THAT(error_of(path()), testing::HasSubstr("model-00002-of-00003.safetensors"));
}

TEST_F(Weights, AFolderWithoutWeightsSaysWhatItWants) {
  EXPECT_THAT(error_of(path()), testing::HasSubstr("model.safetensors.index.json"));
  write_file_atomic(path("pytorch_model.bin"), "x");
  EXPECT_THAT(error_of(path()), testing::HasSubstr("pickle"));
  EXPECT_THROW(SafetensorsSet(path("missing.safetensors")), NotFound);
}

TEST_F(Weights, OpeningCopiesNoTensor) {
  // A sparse terabyte: reading it, or as much memory, would end the test.
  std::vector<TensorPlan> plans;
  for (int i = 0; i < 16; ++i)
    plans.push_back({cat("t", i), DType::bf16, {int64_t{1} << 20, int64_t{1} << 15}});
  const Stopwatch watch;
  {
    SafetensorsStream stream(path("model.safetensors"), plans);
    EXPECT_THROW(stream.finish(), InternalError);
    // The temporary file already has its full length and header.
    fs::rename(fs::directory_iterator(path())->path(), path("whole.safetensors"));
  }
  const SafetensorsSet set(path("whole.safetensors"));
  EXPECT_EQ(set.total_bytes(), uint64_t{1} << 40);
  EXPECT_LT(watch.seconds(), 1.0);
}

TEST(SafetensorsFloats, AreWrittenAndReadInEveryFloatType) {
  const std::vector<float> values{1.0F, -0.5F, 448.0F};
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    std::vector<std::byte> bytes(values.size() * static_cast<size_t>(dtype_bits(dtype)) / 8);
    from_float(dtype, values, bytes);
    std::vector<float> again(3);
    copy_to_float({"w", dtype, {3}, bytes}, again);
    EXPECT_EQ(again, values) << dtype_name(dtype);
  }
  std::vector<std::byte> bytes(3);
  EXPECT_THROW(from_float(DType::u8, values, bytes), InternalError);
  EXPECT_THROW(from_float(DType::f32, values, bytes), InternalError);
}

TEST(SafetensorsFloats, EightBitFloatsAreExact) {
  EXPECT_EQ(float8_e4m3_to_float(0x38), 1.0F);
  EXPECT_EQ(float8_e4m3_to_float(0x7E), 448.0F);
  EXPECT_EQ(float8_e4m3_to_float(0x01), 0x1p-9F);
  EXPECT_EQ(float8_e4m3_to_float(0x08), 0x1p-6F);
  EXPECT_EQ(float8_e4m3_to_float(0xC0), -2.0F);
  EXPECT_TRUE(std::signbit(float8_e4m3_to_float(0x80)));
  EXPECT_TRUE(std::isnan(float8_e4m3_to_float(0x7F)));
  EXPECT_TRUE(std::isnan(float8_e4m3_to_float(0xFF)));
  const std::vector<uint8_t> e5m2{0x3C, 0xC0, 0x7B, 0x01, 0x7C};
  std::vector<float> values(5);
  copy_to_float({"w", DType::f8_e5m2, {5}, std::as_bytes(std::span(e5m2))}, values);
  EXPECT_EQ(values, (std::vector<float>{1.0F, -2.0F, 57344.0F, 0x1p-16F, std::numeric_limits<float>::infinity()}));
}

}  // namespace
}  // namespace afina::formats
