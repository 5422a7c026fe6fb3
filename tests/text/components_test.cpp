// SPDX-License-Identifier: Apache-2.0
// The components of tokenizer.json one by one, against what Hugging Face tokenizers 0.23.3 made of the same JSON and
// text.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/json.h"
#include "text/hf_components.h"

namespace afina::text {
namespace {

using testing::HasSubstr;
using Texts = std::vector<std::string>;

struct SplitCase {
  const char* json;
  std::string text;
  Texts pieces;
};
// clang-format off
const SplitCase kSplits[] = {
    {R"j({"type": "Split", "pattern": {"Regex": "\\p{P}"}, "behavior": "Removed", "invert": false})j", "the-final--cut, ¿Qué? ½ 12١a\n", {"the", "final", "cut", " ", "Qué", " ½ 12١a\n"}},
    {R"j({"type": "Split", "pattern": {"String": "-"}, "behavior": "Removed", "invert": true})j", "the-final--cut, ¿Qué? ½ 12١a\n", {"-", "-", "-"}},
    {R"j({"type": "Punctuation", "behavior": "Removed"})j", "a$b..¡c!", {"a", "b", "c"}},
    {R"j({"type": "Split", "pattern": {"Regex": "\\p{P}"}, "behavior": "Isolated", "invert": false})j", "the-final--cut, ¿Qué? ½ 12١a\n", {"the", "-", "final", "-", "-", "cut", ",", " ", "¿", "Qué", "?", " ½ 12١a\n"}},
    {R"j({"type": "Split", "pattern": {"String": "-"}, "behavior": "Isolated", "invert": true})j", "the-final--cut, ¿Qué? ½ 12١a\n", {"the", "-", "final", "-", "-", "cut, ¿Qué? ½ 12١a\n"}},
    {R"j({"type": "Punctuation", "behavior": "Isolated"})j", "a$b..¡c!", {"a", "$", "b", ".", ".", "¡", "c", "!"}},
    {R"j({"type": "Split", "pattern": {"Regex": "\\p{P}"}, "behavior": "MergedWithPrevious", "invert": false})j", "the-final--cut, ¿Qué? ½ 12١a\n", {"the-", "final-", "-", "cut,", " ¿", "Qué?", " ½ 12١a\n"}},
    {R"j({"type": "Split", "pattern": {"String": "-"}, "behavior": "MergedWithPrevious", "invert": true})j", "the-final--cut, ¿Qué? ½ 12١a\n", {"the", "-final", "-", "-cut, ¿Qué? ½ 12١a\n"}},
    {R"j({"type": "Punctuation", "behavior": "MergedWithPrevious"})j", "a$b..¡c!", {"a$", "b.", ".", "¡", "c!"}},
    {R"j({"type": "Split", "pattern": {"Regex": "\\p{P}"}, "behavior": "MergedWithNext", "invert": false})j", "the-final--cut, ¿Qué? ½ 12١a\n", {"the", "-final", "-", "-cut", ", ", "¿Qué", "? ½ 12١a\n"}},
    {R"j({"type": "Split", "pattern": {"String": "-"}, "behavior": "MergedWithNext", "invert": true})j", "the-final--cut, ¿Qué? ½ 12١a\n", {"the-", "final-", "-", "cut, ¿Qué? ½ 12١a\n"}},
    {R"j({"type": "Punctuation", "behavior": "MergedWithNext"})j", "a$b..¡c!", {"a", "$b", ".", ".", "¡c", "!"}},
    {R"j({"type": "Split", "pattern": {"Regex": "\\p{P}"}, "behavior": "Contiguous", "invert": false})j", "the-final--cut, ¿Qué? ½ 12١a\n", {"the", "-", "final", "--", "cut", ",", " ", "¿", "Qué", "?", " ½ 12١a\n"}},
    {R"j({"type": "Split", "pattern": {"String": "-"}, "behavior": "Contiguous", "invert": true})j", "the-final--cut, ¿Qué? ½ 12١a\n", {"the", "-", "final", "--", "cut, ¿Qué? ½ 12١a\n"}},
    {R"j({"type": "Punctuation", "behavior": "Contiguous"})j", "a$b..¡c!", {"a", "$", "b", "..¡", "c", "!"}},
    {R"j({"type": "Split", "pattern": {"Regex": "(?=[A-Z])"}, "behavior": "Isolated", "invert": false})j", "aBcDE", {"a", "Bc", "D", "E"}},
    {R"j({"type": "Split", "pattern": {"Regex": "\\w+|[^\\w\\s]+"}, "behavior": "Removed", "invert": true})j", "x½⊳½ñ\u0303 _", {"x½", "⊳½", "ñ\u0303", "_"}},
    {R"j({"type": "Split", "pattern": {"Regex": "\\w"}, "behavior": "Isolated", "invert": false})j", "½x²", {"½", "x", "²"}},
    {R"j({"type": "Split", "pattern": {"Regex": "\\b"}, "behavior": "Isolated", "invert": false})j", "hoy, sí", {"hoy", ", ", "sí"}},
    {R"j({"type": "Split", "pattern": {"Regex": "[\\p{Han}&&[^一]]+"}, "behavior": "Isolated", "invert": false})j", "中一文a", {"中", "一", "文", "a"}},
    {R"j({"type": "Split", "pattern": {"Regex": "\\d{1,3}(?=(?:\\d{3})*\\b)"}, "behavior": "Isolated", "invert": false})j", "1234567 12", {"1", "234", "567", " ", "12"}},
    {R"j({"type": "Split", "pattern": {"Regex": "[[:alpha:]&&[^[:lower:]]]+"}, "behavior": "Isolated", "invert": false})j", "aBÑcǅ", {"a", "BÑ", "c", "ǅ"}},
    {R"j({"type": "Split", "pattern": {"Regex": "[^[a-c]\\d]+"}, "behavior": "Isolated", "invert": false})j", "axy1b-", {"a", "xy", "1b", "-"}},
    {R"j({"type": "Split", "pattern": {"Regex": "a{2}?|b{1,2}+c"}, "behavior": "Isolated", "invert": false})j", "aaabbbc", {"aa", "a", "b", "b", "b", "c"}},
    {R"j({"type": "Split", "pattern": {"Regex": "(?i:ñ|\\x{df})+"}, "behavior": "Isolated", "invert": false})j", "xÑñß", {"x", "Ññß"}},
    {R"j({"type": "Split", "pattern": {"Regex": "(?m)."}, "behavior": "Isolated", "invert": false})j", "a\nb", {"a", "\n", "b"}},
    {R"j({"type": "Split", "pattern": {"Regex": "^.|.$"}, "behavior": "Isolated", "invert": false})j", "ab\ncd\n", {"a", "b", "\n", "c", "d", "\n"}},
    {R"j({"type": "Split", "pattern": {"Regex": "\\h+"}, "behavior": "Isolated", "invert": false})j", "xcafe9", {"x", "cafe9"}},
    {R"j({"type": "Split", "pattern": {"Regex": "\\p{^L}+|\\P{Lu}"}, "behavior": "Isolated", "invert": false})j", "A1b", {"A", "1", "b"}},
    {R"j({"type": "Split", "pattern": {"Regex": "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+"}, "behavior": "Isolated", "invert": false})j", "HOLAmundo ñÑ", {"HOLAmundo", " ", "ñ", "Ñ"}},
    {R"j({"type": "Split", "pattern": {"Regex": "\\R"}, "behavior": "Isolated", "invert": false})j", "a\r\nb\u2028c", {"a", "\r\n", "b", "\u2028", "c"}},
    {R"j({"type": "Split", "pattern": {"Regex": "(?x) \\d # digits"}, "behavior": "Isolated", "invert": false})j", "a1 2", {"a", "1", " ", "2"}},
    {R"j({"type": "Digits", "individual_digits": true})j", "a12½b", {"a", "1", "2", "½", "b"}},
    {R"j({"type": "Digits", "individual_digits": false})j", "a12½b", {"a", "12½", "b"}},
    {R"j({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true})j", " hola  mundo", {"▁hola", "▁", "▁mundo"}},
    {R"j({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": false})j", "hola mundo", {"▁hola▁mundo"}},
    {R"j({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": true})j", "hola mundo", {"hola", "▁mundo"}},
    {R"j({"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true}, {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": true}]})j", "a1 b", {"▁a", "1", "▁b"}},
    {R"j({"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true}, {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true}]})j", "a1 b", {"▁a", "▁1", "▁b"}},
    {R"j({"type": "Whitespace"})j", "Ⓐx½, \u200d!\u3000ok", {"Ⓐx", "½,", "\u200d", "!", "ok"}},
    {R"j({"type": "WhitespaceSplit"})j", "a\u0085b\u3000 c\u180ed", {"a", "b", "c\u180ed"}},
    {R"j({"type": "BertPreTokenizer"})j", "¿a b?$", {"¿", "a", "b", "?", "$"}},
    {R"j({"type": "CharDelimiterSplit", "delimiter": "x"})j", "axxb", {"a", "b"}},
    {R"j({"type": "FixedLength", "length": 2})j", "añ中b1", {"añ", "中b", "1"}},
};

struct NormalizerCase {
  const char* json;
  std::string text;
  std::string normalized;
};
const NormalizerCase kNormalizers[] = {
    {R"j({"type": "NFC"})j", "e\u0301a\u0323\u0302한x\u0301", "éậ한x\u0301"},
    {R"j({"type": "NFC"})j", "a\u0302\u0323 Åक़", "ậ Åक़"},
    {R"j({"type": "NFD"})j", "ệ각Å", "e\u0323\u0302각A\u030a"},
    {R"j({"type": "NFKC"})j", "ﬁ½²Ⅳ①ｶﾞ", "fi1⁄22IV1ガ"},
    {R"j({"type": "NFKD"})j", "ﬁệ㍿", "fie\u0323\u0302株式会社"},
    {R"j({"type": "NFD"})j", "𑤸", "𑤸"},
    {R"j({"type": "NFKC"})j", "㋿", "㋿"},
    {R"j({"type": "Lowercase"})j", "ÀİΣΑΣ ǅẞ", "ài\u0307σασ ǆß"},
    {R"j({"type": "StripAccents"})j", "e\u0301ñn\u0303", "eñn"},
    {R"j({"type": "Nmt"})j", "a\tb\001​c▁\ufeffd\177", "a b c  d"},
    {R"j({"type": "Strip", "strip_left": true, "strip_right": false})j", "  a\u3000 ", "a\u3000 "},
    {R"j({"type": "Strip", "strip_left": true, "strip_right": true})j", "\u0085 a\u3000 ", "a"},
    {R"j({"type": "Prepend", "prepend": "▁"})j", "a", "▁a"},
    {R"j({"type": "Prepend", "prepend": "▁"})j", "", ""},
    {R"j({"type": "Replace", "pattern": {"String": " "}, "content": "▁"})j", " a  b", "▁a▁▁b"},
    {R"j({"type": "Replace", "pattern": {"String": ""}, "content": "x"})j", "ab", "xaxbx"},
    {R"j({"type": "Replace", "pattern": {"Regex": "\\s{2,}|\\d"}, "content": " "})j", "a  1 b", "a   b"},
    {R"j({"type": "ByteLevel"})j", "ñ a", "Ã±Ġa"},
    {R"j({"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}, {"type": "Lowercase"}, {"type": "Replace", "pattern": {"String": " "}, "content": "_"}]})j", "Ñandú É", "nandu_e"},
};

struct DecoderCase {
  const char* json;
  Texts tokens;
  std::string text;
};
const DecoderCase kDecoders[] = {
    {"null", {"a", "b"}, "a b"},
    {R"j({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true})j", {"Ã", "±", "Ġa", "Ã", "<|x y|>"}, "ñ a�<|x y|>"},
    {R"j({"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]})j", {"▁Hola", "<0xC3>", "<0xB1>", "▁", "<0xC3>", "<0xff>", "a", "<0x+5>"}, "Holañ ��a\005"},
    {R"j({"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]})j", {"<0x20>", "▁a"}, " a"},
    {R"j({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true})j", {"▁a", "▁b▁", "c"}, "a b c"},
    {R"j({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": true})j", {"▁a", "▁b"}, " a b"},
    {R"j({"type": "BPEDecoder", "suffix": "</w>"})j", {"ho", "la</w>", "mundo</w>"}, "hola mundo"},
    {R"j({"type": "Strip", "content": "_", "start": 2, "stop": 1})j", {"___a__", "b"}, "_a_b"},
    {R"j({"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "Strip", "content": "_", "start": 1, "stop": 1}]})j", {"_", "a", "_"}, "a"},
    {R"j({"type": "Replace", "pattern": {"Regex": "[ab]+"}, "content": "-"})j", {"aab", "ca"}, "-c-"},
    {R"j({"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true}]})j", {"<0xe4>", "▁a", "<0x41>"}, "� aA"},
};
// clang-format on

TEST(PreTokenizers, cut_as_hugging_face_does) {
  for (const auto& c : kSplits) {
    const Json json = Json::parse(c.json);
    SplitText split{MappedText(c.text, 0), {}};
    split_text(read_pre_tokenizer({json, "test", "pre_tokenizer"}).steps, split);
    Texts pieces;
    for (const TextRange& piece : split.pieces)
      pieces.emplace_back(split.text.text().substr(piece.begin, piece.end - piece.begin));
    EXPECT_EQ(pieces, c.pieces) << c.json << " on '" << c.text << "'";
  }
}

TEST(Normalizers, rewrite_as_hugging_face_does_and_know_where_every_byte_came_from) {
  for (const auto& c : kNormalizers) {
    const Json json = Json::parse(c.json);
    MappedText text(c.text, 100);
    apply_normalizer(read_normalizer({json, "test", "normalizer"}), text);
    EXPECT_EQ(text.text(), c.normalized) << c.json << " on '" << c.text << "'";
    size_t last = 0;
    for (size_t i = 0; i < text.text().size(); ++i) {
      const TextRange origin = text.origin(i, i + 1);
      EXPECT_LE(origin.begin, origin.end);
      if (origin.begin < 100) continue;  // written where nothing stood
      EXPECT_LE(origin.end, 100 + c.text.size()) << c.json;
      last = std::max(last, origin.end);
    }
    if (!c.normalized.empty()) {
      EXPECT_GE(last, 100u) << c.json;
    }
  }
}

TEST(Decoders, join_as_hugging_face_does_at_once_and_streamed) {
  for (const auto& c : kDecoders) {
    const Json json = Json::parse(c.json);
    const DecoderChain chain = read_decoder({json, "test", "decoder"});
    EXPECT_EQ(chain.decode(c.tokens), c.text) << c.json;
    DecoderStream stream(chain);
    for (int round = 0; round < 2; ++round) {  // a stream may be used again after its end
      std::string streamed;
      for (const std::string& token : c.tokens)
        streamed += stream.push(token);
      EXPECT_EQ(streamed + stream.flush(), c.text) << c.json;
    }
  }
}

TEST(Decoders, stream_what_is_complete_before_the_end) {
  const Json json = Json::parse(R"({"type": "Sequence", "decoders": [
    {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
    {"type": "Strip", "content": " ", "start": 1, "stop": 0}]})");
  const DecoderChain chain = read_decoder({json, "test", "decoder"});
  DecoderStream stream(chain);
  EXPECT_EQ(stream.push("▁Hola"), "Hola");
  EXPECT_EQ(stream.push("<0xC3>"), "");
  EXPECT_EQ(stream.push("▁a"), "\xef\xbf\xbd a");
  EXPECT_EQ(stream.flush(), "");
}

std::string error_of(const std::string& pattern, const std::string& text) {
  try {
    std::vector<TextRange> matches;
    Regex(pattern, "test").find_all(text, matches);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(Patterns, that_would_run_for_ever_end_in_a_typed_error) {
  const std::string letters(1 << 16, 'a');
  for (const char* hostile : {"(a+)+[bc]", "(a|a)*[bc]", "(?:a?a?)+[bc]", "(.*)(.*)(.*)(.*)(.*)[xy]", "a*a*a*[bc]"}) {
    EXPECT_NE(error_of(hostile, letters), "") << hostile;
  }
  EXPECT_THAT(error_of("[\\w", ""), HasSubstr("end in the middle"));
  EXPECT_THAT(error_of(std::string(200, '(') + std::string(200, ')'), ""), HasSubstr("deeper"));
  EXPECT_THAT(error_of(std::string(20000, 'a'), ""), HasSubstr("at most"));
  EXPECT_THAT(error_of("a{100000}", ""), HasSubstr("repetition"));
  EXPECT_THAT(error_of("(*COMMIT)a", ""), HasSubstr("(*"));
  EXPECT_THAT(error_of("\\X", ""), HasSubstr("\\X"));
  EXPECT_THAT(error_of(std::string(100, '['), ""), HasSubstr("deeper"));
}

TEST(Patterns, of_the_families_cut_a_megabyte_of_one_letter) {
  for (const char* pattern :
       {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{M}]*[\p{Ll}\p{M}]+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
        R"(\w+|[^\w\s]+)"}) {
    for (const char letter : {'a', ' ', '=', '0'}) {
      EXPECT_EQ(error_of(pattern, std::string(1 << 20, letter)), "") << pattern << " on " << letter;
    }
  }
}

}  // namespace
}  // namespace afina::text
