// SPDX-License-Identifier: Apache-2.0
// Files that lie: each must give a ModelError that names the file, quickly and without allocating what it claims.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "formats/gguf.h"
#include "tests/formats/gguf_builder.h"
#include "tests/support/golden.h"

namespace afina::formats {
namespace {

using B = GgufBuilder;

struct Case {
  const char* name;
  std::function<std::string()> bytes;
  const char* says;
};

std::string array_of(uint32_t type, uint64_t count, const std::string& elements = "") {
  return B::raw(type) + B::raw(count) + elements;
}

B one_tensor(const std::vector<uint64_t>& ne, uint32_t type = 0, uint64_t offset = 0) {
  B builder;
  builder.tensor("w", ne, type, offset);
  return builder;
}

std::vector<Case> cases() {
  return {
      {"empty", [] { return std::string(); }, "ends after 0 bytes"},
      {"magic",
       [] {
         B b;
         b.magic = "GGUX";
         return b.bytes();
       },
       "begin with"},
      {"version 1",
       [] {
         B b;
         b.version = 1;
         return b.bytes();
       },
       "version 1"},
      {"version 4",
       [] {
         B b;
         b.version = 4;
         return b.bytes();
       },
       "version 4"},
      {"big endian",
       [] {
         B b;
         b.version = 0x03000000;
         return b.bytes();
       },
       "big-endian"},
      {"giant tensor count",
       [] {
         B b;
         b.tensor_count = ~uint64_t{0};
         return b.bytes();
       },
       "tensors"},
      {"giant kv count",
       [] {
         B b;
         b.kv_count = uint64_t{1} << 40;
         return b.bytes();
       },
       "metadata"},
      {"giant key",
       [] {
         B b;
         b.kv_count = 1;
         return b.bytes() + B::raw(~uint64_t{0}) + std::string(64, 'x');
       },
       "must"},
      {"empty key",
       [] {
         B b;
         b.kv("", 0, "x");
         return b.bytes();
       },
       "not empty"},
      {"key is not UTF-8",
       [] {
         B b;
         b.kv("\xff", 0, "x");
         return b.bytes();
       },
       "UTF-8"},
      {"duplicate key",
       [] {
         B b;
         b.kv("k", 0, "x").kv("k", 0, "y");
         return b.bytes();
       },
       "twice"},
      {"unknown value type",
       [] {
         B b;
         b.kv("k", 13, "xxxxxxxx");
         return b.bytes();
       },
       "type 13"},
      {"giant string",
       [] {
         B b;
         b.kv("k", 8, B::raw(~uint64_t{0}));
         return b.bytes();
       },
       "\"k\""},
      {"giant array",
       [] {
         B b;
         b.kv("k", 9, array_of(10, uint64_t{1} << 61));
         return b.bytes();
       },
       "array"},
      {"array beyond the file",
       [] {
         B b;
         b.kv("k", 9, array_of(4, 1000));
         return b.bytes();
       },
       "1000 values"},
      {"strings beyond the file",
       [] {
         B b;
         b.kv("k", 9, array_of(8, 1 << 20));
         return b.bytes();
       },
       "arrays"},
      {"nested array",
       [] {
         B b;
         b.kv("k", 9, array_of(9, 1, array_of(0, 1, "x")));
         return b.bytes();
       },
       "nested"},
      {"array of unknown type",
       [] {
         B b;
         b.kv("k", 9, array_of(99, 0));
         return b.bytes();
       },
       "type 99"},
      {"alignment zero",
       [] {
         B b;
         b.kv("general.alignment", 4, B::raw<uint32_t>(0));
         return b.bytes();
       },
       "alignment"},
      {"alignment 48",
       [] {
         B b;
         b.kv("general.alignment", 4, B::raw<uint32_t>(48));
         return b.bytes();
       },
       "alignment"},
      {"alignment text",
       [] {
         B b;
         b.kv("general.alignment", 8, B::text("32"));
         return b.bytes();
       },
       "alignment"},
      {"long tensor name",
       [] {
         B b;
         b.tensor(std::string(64, 'n'), {1}, 0, 0);
         return b.data("xxxx").bytes();
       },
       "at most 63"},
      {"rank 0", [] { return one_tensor({}).data("xxxx").bytes(); }, "1 to 4 dimensions"},
      {"rank 5",
       [] {
         return one_tensor({1, 1, 1, 1, 1}).data("xxxx").bytes();
       },
       "1 to 4 dimensions"},
      {"giant rank",
       [] {
         B b;
         b.tensor_count = 1;
         return b.bytes() + B::text("w") + B::raw(~0U) + std::string(64, 'x');
       },
       "must"},
      {"zero dimension", [] { return one_tensor({0}).bytes(); }, "dimension 0"},
      {"negative dimension", [] { return one_tensor({~uint64_t{0}}).bytes(); }, "overflowing"},
      {"product overflows",
       [] {
         return one_tensor({uint64_t{1} << 32, uint64_t{1} << 32}).bytes();
       },
       "overflowing"},
      {"product wraps to 4",
       [] {
         return one_tensor({4194305, 4194305, 211106198978564}).data(std::string(16, 'x')).bytes();
       },
       "overflowing"},
      {"bytes beyond the file", [] { return one_tensor({uint64_t{1} << 59}).data("xxxx").bytes(); }, "needs"},
      {"unknown type", [] { return one_tensor({32}, 77).data(std::string(64, 'x')).bytes(); }, "type 77"},
      {"type that is never stored", [] { return one_tensor({32}, 9).data(std::string(36, 'x')).bytes(); }, "Q8_1"},
      {"removed type", [] { return one_tensor({32}, 4).data(std::string(84, 'x')).bytes(); }, "removed"},
      {"row is not whole blocks", [] { return one_tensor({33}, 2).data(std::string(64, 'x')).bytes(); },
       "whole blocks"},
      {"hole before the first", [] { return one_tensor({1}, 0, 32).data(std::string(64, 'x')).bytes(); },
       "begins at 32"},
      {"offset is not aligned", [] { return one_tensor({1}, 0, 1).data(std::string(64, 'x')).bytes(); }, "begins at 1"},
      {"giant offset", [] { return one_tensor({1}, 0, ~uint64_t{31}).data(std::string(64, 'x')).bytes(); },
       "begins at"},
      {"overlap",
       [] {
         auto b = one_tensor({32});
         b.tensor("v", {1}, 0, 0);
         return b.data(std::string(256, 'x')).bytes();
       },
       "\"v\" begins at 0"},
      {"duplicate tensor",
       [] {
         auto b = one_tensor({1});
         b.tensor("w", {1}, 0, 32);
         return b.data(std::string(64, 'x')).bytes();
       },
       "twice"},
      {"data cut", [] { return one_tensor({8}).data(std::string(31, 'x')).bytes(); }, "truncated"},
      {"pickle", [] { return std::string("\x80\x02}q\x00.", 6) + std::string(32, 'x'); }, "GGUF"},
  };
}

// In memory, so that every one of thousands of variants is tried in a moment.
std::string error_in(std::string_view bytes) {
  try {
    const GgufFile file(std::as_bytes(std::span(bytes)), "memory.gguf");
    for (const GgufTensor& tensor : file.tensors()) {
      EXPECT_LE(tensor.file_offset + tensor.bytes.size(), bytes.size());
      if (!can_dequantize(tensor.type)) continue;
      std::vector<float> values(static_cast<size_t>(tensor.elements()));
      dequantize(tensor, values);
    }
  } catch (const ModelError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(GgufHostile, EveryLieIsNamed) {
  const Stopwatch watch;
  for (const Case& entry : cases()) {
    const std::string said = error_in(entry.bytes());
    EXPECT_THAT(said, testing::HasSubstr(entry.says)) << entry.name;
    EXPECT_THAT(said, testing::HasSubstr("memory.gguf")) << entry.name;
  }
  EXPECT_LT(watch.seconds(), 5.0);
}

// The control of the table above: the same small builder gives a file that is accepted.
TEST(GgufHostile, AnHonestFileIsAccepted) {
  EXPECT_EQ(error_in(one_tensor({8}).data(std::string(32, 'x')).bytes()), "accepted");
}

TEST(GgufHostile, EveryTruncationOfARealFileIsRefused) {
  const std::string whole = read_file(smollm2_gguf());
  for (size_t size = 0; size < 4096; ++size)
    ASSERT_THAT(error_in(std::string_view(whole).substr(0, size)), testing::HasSubstr("must hold")) << size;
  for (const size_t size : {size_t{1'785'663}, size_t{1'785'664}, size_t{2'000'000}, whole.size() - 2048})
    EXPECT_THAT(error_in(std::string_view(whole).substr(0, size)), testing::HasSubstr("truncated")) << size;
}

std::string small_file() {
  B builder;
  builder.kv("general.architecture", 8, B::text("llama")).kv("ids", 9, array_of(5, 2, B::raw(1) + B::raw(2)));
  builder.kv("general.alignment", 4, B::raw<uint32_t>(32)).kv("f", 6, B::raw(1.5F));
  builder.kv("names", 9, array_of(8, 2, B::text("a") + B::text("bc")));
  builder.tensor("w", {32, 2}, 8, 0).tensor("v", {4}, 0, 96).data(std::string(112, 'x'));
  return builder.bytes();
}

TEST(GgufHostile, EveryTruncationOfASmallFileIsRefused) {
  const std::string good = small_file();
  ASSERT_EQ(error_in(good), "accepted");
  for (size_t size = 0; size < good.size(); ++size)
    EXPECT_THAT(error_in(std::string_view(good).substr(0, size)), testing::HasSubstr("must hold")) << size;
}

TEST(GgufHostile, EveryFlippedHeaderBitIsRefusedOrHarmless) {
  const std::string good = small_file();
  const size_t header = good.size() - 112;
  int refused = 0;
  for (size_t bit = 0; bit < 8 * header; ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(static_cast<unsigned char>(bad[bit / 8]) ^ (1U << (bit % 8)));
    refused += error_in(bad) != "accepted" ? 1 : 0;
  }
  for (size_t i = 0; i < header; ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(~bad[i]);
    refused += error_in(bad) != "accepted" ? 1 : 0;
  }
  EXPECT_GT(refused, static_cast<int>(4 * header));
}

}  // namespace
}  // namespace afina::formats
