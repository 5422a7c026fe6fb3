// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer.h"

#include <gtest/gtest.h>

#include <ctime>
#include <map>
#include <random>

#include "base/error.h"
#include "tests/text/toy_vocabulary.h"
#include "text/bpe.h"

namespace afina::text {
namespace {

using Ids = std::vector<int32_t>;

TEST(Tokenizer, parses_control_tokens_only_when_asked_and_user_defined_ones_always) {
  const auto tokenizer = toy_tokenizer();
  EXPECT_EQ(tokenizer->encode("x<|im_end|>", {.parse_special = true}), (Ids{'x', kToyEnd}));
  EXPECT_EQ(tokenizer->encode("x<|im_end|>").size(), 11u);
  EXPECT_EQ(tokenizer->encode("<think>x"), (Ids{kToyThink, 'x'}));
}

TEST(Tokenizer, takes_the_leftmost_longest_control_token) {
  auto vocabulary = toy_vocabulary();
  vocabulary.tokens.insert(vocabulary.tokens.end(), {"<|a|>", "<|a|><|b|>", "|><"});
  vocabulary.kinds.insert(vocabulary.kinds.end(), 3, TokenKind::control);
  const auto first = static_cast<int32_t>(vocabulary.tokens.size() - 3);
  const Tokenizer tokenizer(std::move(vocabulary));
  EXPECT_EQ(tokenizer.encode("<|a|><|b|>", {.parse_special = true}), (Ids{first + 1}));
  EXPECT_EQ(tokenizer.encode("<|a|><", {.parse_special = true}), (Ids{first, '<'}));
}

TEST(Tokenizer, finds_no_control_token_that_touches_a_literal_byte) {
  const auto tokenizer = toy_tokenizer();
  const std::string text = "<|im_end|><|im_end|>";
  const auto controls = [&](std::vector<TextRange> literal) {
    int count = 0;
    for (const TokenSpan& span : tokenizer->encode_marked(text, literal))
      count += tokenizer->is_special(span.id);
    return count;
  };
  EXPECT_EQ(controls({}), 2);
  EXPECT_EQ(controls({{0, 10}}), 1);
  EXPECT_EQ(controls({{4, 5}}), 1);
  EXPECT_EQ(controls({{9, 11}}), 0);
  EXPECT_EQ(controls({{0, 10}, {19, 20}}), 0);
}

TEST(Tokenizer, merges_across_the_borders_of_literal_ranges) {
  const auto tokenizer = toy_tokenizer();
  const std::vector<TextRange> literal = {{1, 2}};
  const auto spans = tokenizer->encode_marked("aaaa", literal);
  ASSERT_EQ(spans.size(), 1u);
  EXPECT_EQ(spans[0].end, 4u);
}

// The definition: again and again the leftmost adjacent pair of the lowest rank.
Ids naive_bpe(const std::string& text, const std::map<std::pair<int32_t, int32_t>, std::pair<int, int32_t>>& merges) {
  Ids ids(text.begin(), text.end());
  for (;;) {
    int best = INT_MAX;
    size_t where = 0;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      const auto it = merges.find({ids[i], ids[i + 1]});
      if (it != merges.end() && it->second.first < best) {
        best = it->second.first;
        where = i;
      }
    }
    if (best == INT_MAX) return ids;
    ids[where] = merges.at({ids[where], ids[where + 1]}).second;
    ids.erase(ids.begin() + static_cast<std::ptrdiff_t>(where) + 1);
  }
}

TEST(BpeMerger, merges_as_the_definition_does_on_random_merge_tables) {
  const auto seed = std::random_device{}();
  std::cout << "seed " << seed << "\n";
  std::mt19937 random(seed);
  for (int round = 0; round < 300; ++round) {
    std::map<std::pair<int32_t, int32_t>, std::pair<int, int32_t>> reference;
    MergeTable table(64);
    Ids known = {'a', 'b', 'c'};
    for (int rank = 0; rank < 40; ++rank) {
      const int32_t left = known[random() % known.size()];
      const int32_t right = known[random() % known.size()];
      const int32_t id = 256 + rank;
      if (!reference.emplace(std::pair{left, right}, std::pair{rank, id}).second) continue;
      table.insert(left, right, {static_cast<uint32_t>(rank), id}, false);
      known.push_back(id);
    }
    std::string text;
    for (size_t n = random() % 120; n > 0; --n)  // short and long pieces merge by different loops
      text += "abc"[random() % 3];
    std::vector<TokenSpan> spans;
    BpeMerger merger(table);
    for (size_t i = 0; i < text.size(); ++i)
      merger.add(text[i], i, i + 1);
    merger.finish(0, spans);
    Ids ids;
    for (const TokenSpan& span : spans)
      ids.push_back(span.id);
    ASSERT_EQ(ids, naive_bpe(text, reference)) << "seed " << seed << " text " << text;
  }
}

TEST(Tokenizer, encodes_a_megabyte_of_one_letter_in_under_a_second) {
  const auto tokenizer = toy_tokenizer();
  const std::clock_t start = std::clock();  // processor time: the machine may be busy
  EXPECT_EQ(tokenizer->encode(std::string(1 << 20, 'a')).size(), size_t{1} << 18);
  EXPECT_EQ(tokenizer->encode(std::string(1 << 20, ' ')).size(), size_t{1} << 20);
  EXPECT_EQ(tokenizer->encode(std::string(1 << 20, '<'), {.parse_special = true}).size(), size_t{1} << 20);
  const double spent = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  std::cout << "3 MB in " << spent << " s\n";
  EXPECT_LT(spent, 3.0);
}

TEST(Tokenizer, refuses_text_that_is_not_utf8_and_ids_out_of_range) {
  const auto tokenizer = toy_tokenizer();
  EXPECT_THROW(tokenizer->encode("a\xff"), DataError);
  EXPECT_THROW(tokenizer->decode(Ids{-1}), DataError);
  EXPECT_THROW(tokenizer->token_bytes(tokenizer->vocab_size()), DataError);
  EXPECT_THROW(StreamDecoder(*tokenizer).push(1 << 30), DataError);
}

TEST(Tokenizer, refuses_a_vocabulary_that_contradicts_itself) {
  const auto broken = [](auto change) {
    auto vocabulary = toy_vocabulary();
    change(vocabulary);
    EXPECT_THROW(Tokenizer{std::move(vocabulary)}, ModelError);
  };
  broken([](auto& v) { v.tokens.clear(), v.kinds.clear(); });
  broken([](auto& v) { v.kinds.pop_back(); });
  broken([](auto& v) { v.eos_id = 100000; });
  broken([](auto& v) { v.bos_id = -5; });
  broken([](auto& v) { v.end_ids = {1 << 21}; });
  broken([](auto& v) { v.merges.push_back("nospace"); });
  broken([](auto& v) { v.merges.push_back(""); });
  broken([](auto& v) { v.merges.push_back("z z"); });
  broken([](auto& v) { v.merges.push_back("a zzz"); });
}

TEST(Tokenizer, drops_or_replaces_bytes_that_the_vocabulary_lacks) {
  auto vocabulary = toy_vocabulary();
  vocabulary.kinds['q'] = TokenKind::unused;
  EXPECT_EQ(Tokenizer(vocabulary).encode("aqb"), (Ids{'a', 'b'}));
  vocabulary.unk_id = kToyText;
  EXPECT_EQ(Tokenizer(std::move(vocabulary)).encode("aqb"), (Ids{'a', kToyText, 'b'}));
}

TEST(Tokenizer, counts_every_end_token_of_the_family_even_where_the_file_calls_it_user_defined) {
  auto vocabulary = toy_vocabulary();
  vocabulary.kinds[kToyText] = TokenKind::user_defined;
  vocabulary.end_ids = {kToyStart};
  const Tokenizer tokenizer(std::move(vocabulary));
  EXPECT_EQ(tokenizer.end_ids(), (Ids{kToyEnd, kToyStart, kToyText}));
  EXPECT_TRUE(tokenizer.is_special(kToyText));
}

TEST(StreamDecoder, never_shows_half_a_character) {
  const auto tokenizer = toy_tokenizer();
  StreamDecoder stream(*tokenizer);
  EXPECT_EQ(stream.push(0xc3), "");
  EXPECT_EQ(stream.push(kToyEnd), "");
  EXPECT_EQ(stream.push(0xb1), "ñ");
  EXPECT_EQ(stream.push(0xf0), "");
  EXPECT_EQ(stream.push('a'), "\ufffda");
  EXPECT_EQ(stream.push(0xe2), "");
  EXPECT_EQ(stream.flush(), "\ufffd");
  EXPECT_EQ(stream.flush(), "");
}

}  // namespace
}  // namespace afina::text
