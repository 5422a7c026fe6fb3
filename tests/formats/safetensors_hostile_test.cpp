// SPDX-License-Identifier: Apache-2.0
// The reader checks of the format's reference and the holes once found in other readers, each as one small file.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "formats/safetensors.h"
#include "tests/support/golden.h"

namespace afina::formats {
namespace {

std::string with_length(uint64_t length, const std::string& rest) {
  std::string out(8, '\0');
  std::memcpy(out.data(), &length, 8);
  return out + rest;
}

std::string file_of(const std::string& header, size_t data_bytes = 0) {
  return with_length(header.size(), header + std::string(data_bytes, '\0'));
}

std::string tensor(const std::string& shape, const std::string& offsets, const std::string& dtype = "F32",
                   const std::string& name = "w") {
  return "\"" + name + R"(":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

std::string error_of(const std::string& bytes) {
  try {
    const SafetensorsFile file(std::as_bytes(std::span(bytes)), "liar.safetensors");
    for (const TensorView& view : file.tensors())
      EXPECT_LE(view.bytes.data() + view.bytes.size(), std::as_bytes(std::span(bytes)).data() + bytes.size());
  } catch (const ModelError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("liar.safetensors"));
    return error.what();
  }
  return "accepted";
}

struct Case {
  std::string bytes;
  const char* says;
};

TEST(SafetensorsHostile, TheFormatsOwnCases) {
  const std::string golden = R"({"test":{"dtype":"I32","shape":[2,2],"data_offsets":[0,16]}})";
  ASSERT_EQ(golden.size(), 60U);
  EXPECT_EQ(error_of(file_of(golden, 16)), "accepted");
  EXPECT_EQ(error_of(with_length(6, "{}\r \t\n")), "accepted");
  EXPECT_EQ(error_of(with_length(6, "\t\n{}\r ")), "accepted");
  EXPECT_EQ(error_of(file_of("{" + tensor("[2,0]", "[0,0]") + "}")), "accepted");
  std::string ten;
  for (int i = 0; i < 10; ++i)
    ten += (i > 0 ? "," : "") + tensor("[2,2]", "[0,16]", "F32", "t" + std::to_string(i));
  const std::vector<Case> cases{
      {file_of(golden, 16) + "extra", "5 bytes follow"},
      {file_of(golden, 14), "truncated"},
      {with_length(0xffffff000000003cULL, golden), "at most 100000000"},
      {"", "only 0 bytes"},
      {"1234567", "only 7 bytes"},
      {with_length(60, ""), "ends after 0"},
      {with_length(1, "\xff"), "UTF-8"},
      {with_length(1, "{"), "JSON"},
      {with_length(0, ""), "JSON"},
      {file_of("{" + tensor("[2,2]", "[0,4]") + "}", 4), "16 bytes by its shape"},
      {file_of("{" + tensor("[2,18446744073709551614]", "[0,16]") + "}", 16), "overflows"},
      {file_of("{" + tensor("[2,9223372036854775807]", "[0,16]") + "}", 16), "overflows"},
      {file_of("{" + ten + "}", 16), "without holes or overlap"},
  };
  for (const Case& entry : cases)
    EXPECT_THAT(error_of(entry.bytes), testing::HasSubstr(entry.says)) << entry.bytes.substr(0, 120);
}

TEST(SafetensorsHostile, HolesThatOtherReadersHad) {
  const auto one = [](const std::string& body, size_t data) { return file_of("{" + body + "}", data); };
  const std::string deep = R"({"w":{"dtype":"F32","shape":[[[[[[1]]]]]],"data_offsets":[0,4]}})";
  const std::vector<Case> cases{
      {one(tensor("[4194305,4194305,211106198978564]", "[0,16]"), 16), "overflows"},
      {one(tensor("[1000000]", "[0,4]"), 4), "4000000 bytes by its shape"},
      {one(tensor("[1]", "[4,0]"), 4), "end after it begins"},
      {one(tensor("[1]", "[-4,0]"), 4), "whole numbers"},
      {one(tensor("[-1]", "[0,4]"), 4), "whole numbers"},
      {one(tensor("[1.0]", "[0,4]"), 4), "whole numbers"},
      {one(tensor("[18446744073709551616]", "[0,4]"), 4), "whole numbers"},
      {one(tensor("[1]", "[4,8]"), 8), "begins at 4 where 0 is due"},
      {one(tensor("[1]", "[0,4]") + "," + tensor("[1]", "[8,12]", "F32", "v"), 12), "begins at 8 where 4 is due"},
      {one(tensor("[2]", "[0,8]") + "," + tensor("[2]", "[4,12]", "F32", "v"), 12), "begins at 4 where 8 is due"},
      {one(tensor("[1]", "[0,4]") + "," + tensor("[0]", "[2,2]", "F32", "v"), 4), "holes or overlap"},
      {one(tensor("[1]", "[0,4]") + "," + tensor("[1]", "[0,4]"), 4), "twice"},
      {one(tensor("[1]", "[0,4]", "F33"), 4), "dtype"},
      {one(tensor("[1]", "[0,1]", "F4"), 1), "whole bytes"},
      {one(tensor("[1,1,1,1,1,1,1,1,1]", "[0,4]"), 4), "shape of at most 8"},
      {one(tensor("[1]", "[0]"), 4), "two data_offsets"},
      {one(tensor("3", "[0,4]"), 4), "shape"},
      {one(R"("w":{"dtype":"F32","shape":[1]})", 4), "exactly dtype"},
      {one(R"("w":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1})", 4), "exactly dtype"},
      {one(R"("w":3)", 0), "exactly dtype"},
      {one(R"("__metadata__":{"a":1})", 0), "__metadata__"},
      {one(R"("__metadata__":[])", 0), "__metadata__"},
      {one(R"("__metadata__":{},"__metadata__":{})", 0), "comes twice"},
      {one(R"("__metadata__":{"a":"","a":""})", 0), "comes twice"},
      {one(R"("__metadata__":{"a":"\ud800"})", 0), "surrogate"},
      {one(R"("__metadata__":{"a":"\x"})", 0), "letter after"},
      {one(R"("__metadata__":{"a":"\u12"})", 0), "hex digits"},
      {one("\"__metadata__\":{\"a\":\"\x01\"}", 0), "quote"},
      {one(tensor("[01]", "[0,4]"), 4), "whole numbers"},
      {one(tensor("[1e0]", "[0,4]"), 4), "whole numbers"},
      {one(tensor("[1,]", "[0,4]"), 4), "whole numbers"},
      {one(tensor("[1]", "[0,4]") + ",", 4), "tensor names"},
      {one(R"("w":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]})", 4), "exactly dtype"},
      {file_of("{}x"), "something follows"},
      {one(tensor("[1]", "[0,4]", "F32", std::string(600, 'n')), 4), "names of at most 512"},
      {one(tensor("[1]", "[0,4]", "F32", ""), 4), "not empty"},
      {file_of("[]"), "JSON object"},
      {file_of(deep, 4), "whole numbers"},
      {file_of(std::string(5000, '['), 4), "JSON object"},
      {std::string("PK\x03\x04") + std::string(64, 'x'), "pickle"},
      {std::string("\x80\x02}q") + std::string(64, 'x'), "pickle"},
  };
  const Stopwatch watch;
  for (const Case& entry : cases)
    EXPECT_THAT(error_of(entry.bytes), testing::HasSubstr(entry.says)) << entry.bytes.substr(8, 150);
  EXPECT_LT(watch.seconds(), 5.0);
}

TEST(SafetensorsHostile, EscapesInNamesAreRead) {
  const std::string bytes = file_of("{" + tensor("[1]", "[0,4]", "F32", R"(ni\u00f1o \ud83d\ude00 \"x\" \/)") + "}", 4);
  const SafetensorsFile file(std::as_bytes(std::span(bytes)), "escaped.safetensors");
  EXPECT_EQ(file.tensors().at(0).name, "ni\xc3\xb1o \xf0\x9f\x98\x80 \"x\" /");
}

// Headers that would cost a tree of JSON hundreds of megabytes.
TEST(SafetensorsHostile, AGiantHeaderIsRefusedAtOnce) {
  std::string numbers = R"({"w":{"dtype":"F32","shape":[)";
  while (numbers.size() < 20'000'000)
    numbers += "0,0,0,0,0,0,0,0,";
  std::string names = "{";
  for (int i = 0; names.size() < 20'000'000; ++i)
    names += cat('"', i, "\":0,");
  const Stopwatch watch;
  EXPECT_THAT(error_of(file_of(numbers)), testing::HasSubstr("at most 8"));
  EXPECT_THAT(error_of(file_of(names)), testing::HasSubstr("exactly dtype"));
  EXPECT_LT(watch.seconds(), 2.0);
}

TEST(SafetensorsHostile, EveryTruncationIsRefused) {
  const std::string whole = read_file(golden_path("tiny/llama31/adapter/adapter_model.safetensors"));
  ASSERT_EQ(error_of(whole), "accepted");
  ASSERT_GT(whole.size(), 8192U);
  for (size_t size = 0; size < 4096; ++size)
    ASSERT_THAT(error_of(whole.substr(0, size)), testing::HasSubstr("must")) << size;
  for (size_t size = 4096; size < whole.size(); size += 997)
    EXPECT_THAT(error_of(whole.substr(0, size)), testing::HasSubstr("must")) << size;
  EXPECT_THAT(error_of(whole.substr(0, whole.size() - 1)), testing::HasSubstr("truncated"));
}

TEST(SafetensorsHostile, EveryFlippedHeaderBitIsRefusedOrHarmless) {
  const std::string good = file_of("{" + tensor("[2]", "[0,8]") + "," + tensor("[3]", "[8,14]", "F16", "v") + "}", 14);
  ASSERT_EQ(error_of(good), "accepted");
  int refused = 0;
  for (size_t bit = 0; bit < 8 * (good.size() - 14); ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(static_cast<unsigned char>(bad[bit / 8]) ^ (1U << (bit % 8)));
    // A ModelError, or a file whose tensors passed every check: nothing else may be thrown.
    refused += error_of(bad) != "accepted" ? 1 : 0;
  }
  EXPECT_GT(refused, 600);
}

TEST(SafetensorsHostile, AMissingFileIsNotFound) {
  EXPECT_THROW(SafetensorsFile("/nonexistent/w.safetensors"), NotFound);
}

}  // namespace
}  // namespace afina::formats
