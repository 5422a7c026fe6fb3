// SPDX-License-Identifier: Apache-2.0
// Token by token against Hugging Face tokenizers and llama.cpp, on real vocabularies unpacked into .deps.
#include <gtest/gtest.h>

#include <ctime>

#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "formats/gguf.h"
#include "tests/support/golden.h"
#include "tests/support/temp_folder.h"
#include "text/tokenizer.h"

namespace afina::text {
namespace {

std::filesystem::path llama_models() {
  return std::filesystem::path(AFINA_SOURCE_DIR) / ".deps" / "llama.cpp" / "models";
}

Tokenizer load(const std::filesystem::path& path) {
  return load_gguf_tokenizer(formats::GgufFile(path));
}

const Tokenizer& smollm2() {
  static const Tokenizer tokenizer = load(smollm2_gguf());
  return tokenizer;
}

Json golden_tokenizer() {
  return parse_json(read_file(golden_path("smollm2/tokenizer.json")), "tokenizer.json");
}

TEST(SmolLm2Tokenizer, gives_the_golden_ids_of_every_text) {
  const Json golden = golden_tokenizer();
  ASSERT_EQ(golden["cases"].size(), 237u);
  for (const auto& c : golden["cases"]) {
    const auto text = c["text"].get<std::string>();
    EXPECT_EQ(smollm2().encode(text, {.parse_special = true}), c["ids"].get<std::vector<int32_t>>()) << text;
    const auto& plain = c.contains("ids_plain") ? c["ids_plain"] : c["ids"];
    EXPECT_EQ(smollm2().encode(text), plain.get<std::vector<int32_t>>()) << text;
  }
}

TEST(SmolLm2Tokenizer, decodes_every_golden_text_back) {
  for (const auto& c : golden_tokenizer()["cases"]) {
    const auto text = c["text"].get<std::string>();
    const auto ids = c["ids"].get<std::vector<int32_t>>();
    EXPECT_EQ(smollm2().decode(ids), text);
    EXPECT_EQ(smollm2().decode(ids, true), c.value("decoded_skip_special", text)) << text;
  }
}

TEST(SmolLm2Tokenizer, decodes_broken_utf8_as_the_peers_do_at_once_and_streamed) {
  const Json golden = golden_tokenizer();
  ASSERT_EQ(golden["decode"].size(), 65u);
  for (const auto& c : golden["decode"]) {
    const auto ids = c["ids"].get<std::vector<int32_t>>();
    EXPECT_EQ(smollm2().decode(ids), c["text"].get<std::string>());
    StreamDecoder stream(smollm2(), false);
    std::string streamed;
    for (const int32_t id : ids)
      streamed += stream.push(id);
    EXPECT_EQ(streamed + stream.flush(), c["text"].get<std::string>());
  }
}

TEST(SmolLm2Tokenizer, gives_the_spans_of_the_text_that_the_tokens_stand_for) {
  for (const auto& c : golden_tokenizer()["cases"]) {
    const auto text = c["text"].get<std::string>();
    size_t end = 0;
    for (const TokenSpan& span : smollm2().encode_spans(text, {.parse_special = true})) {
      ASSERT_EQ(span.begin, end) << text;
      end = span.end;
      ASSERT_EQ(text.substr(span.begin, span.end - span.begin), smollm2().token_bytes(span.id)) << text;
    }
    EXPECT_EQ(end, text.size());
  }
}

TEST(SmolLm2Tokenizer, knows_its_special_tokens_and_every_end_token_of_the_family) {
  EXPECT_EQ(smollm2().vocab_size(), 49152);
  EXPECT_EQ(smollm2().bos_id(), 1);
  EXPECT_EQ(smollm2().eos_id(), 2);
  EXPECT_EQ(smollm2().pad_id(), 2);
  EXPECT_EQ(smollm2().unk_id(), 0);
  EXPECT_EQ(smollm2().end_ids(), (std::vector<int32_t>{0, 2}));
  EXPECT_EQ(smollm2().find_token("<|im_end|>"), 2);
  EXPECT_EQ(smollm2().find_token("no such token"), std::nullopt);
  EXPECT_TRUE(smollm2().is_special(16));
  EXPECT_FALSE(smollm2().is_special(17));
  EXPECT_FALSE(smollm2().is_special(-1));
  EXPECT_EQ(smollm2().encode("Hola", {.add_special = true}), smollm2().encode("Hola"));
}

// The family rule stops on 0 too, where the golden run stops on 2 only: no golden continuation may hold another end.
TEST(SmolLm2Tokenizer, ends_the_golden_greedy_runs_exactly_where_they_end) {
  const auto& ends = smollm2().end_ids();
  for (const auto& run : parse_json(read_file(golden_path("smollm2/greedy.json")), "greedy.json")["runs"]) {
    const auto ids = run["new_ids"].get<std::vector<int32_t>>();
    const auto stop = std::find_first_of(ids.begin(), ids.end(), ends.begin(), ends.end());
    EXPECT_EQ(stop != ids.end(), run["stopped_at_eos"].get<bool>());
    EXPECT_LE(ids.end() - stop, 1);
    EXPECT_EQ(smollm2().decode(ids, true), run["text"].get<std::string>());
  }
}

// The folder that transformers would write for the same model: same vocabulary, tokenizer.json's pipeline.
TEST(SmolLm2Tokenizer, gives_the_golden_ids_from_a_hugging_face_folder_too) {
  const formats::GgufFile file(smollm2_gguf());
  Json json = Json::parse(R"({"normalizer": null, "post_processor": null, "decoder": {"type": "ByteLevel"},
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true},
      {"type": "ByteLevel", "add_prefix_space": false, "use_regex": true}]}, "model": {"type": "BPE"}})");
  const auto tokens = file.strings("tokenizer.ggml.tokens");
  const auto kinds = file.integers("tokenizer.ggml.token_type");
  for (size_t id = 0; id < tokens.size(); ++id) {
    json["model"]["vocab"][std::string(tokens[id])] = id;
    if (kinds[id] == 3) json["added_tokens"].push_back({{"id", id}, {"content", tokens[id]}, {"special", true}});
  }
  for (const auto merge : file.strings("tokenizer.ggml.merges"))
    json["model"]["merges"].push_back(merge);
  const TempFolder folder;
  write_file_atomic(folder.path() / "tokenizer.json", json.dump());
  write_file_atomic(folder.path() / "tokenizer_config.json", R"({"eos_token": "<|im_end|>"})");
  const Tokenizer tokenizer = load_hf_tokenizer(folder.path());
  EXPECT_EQ(tokenizer.end_ids(), smollm2().end_ids());
  for (const auto& c : golden_tokenizer()["cases"]) {
    const auto text = c["text"].get<std::string>();
    ASSERT_EQ(tokenizer.encode(text, {.parse_special = true}), c["ids"].get<std::vector<int32_t>>()) << text;
  }
}

TEST(SmolLm2Tokenizer, encodes_a_megabyte_of_one_letter_in_under_a_second) {
  for (const char letter : {'a', ' ', '=', '0'}) {
    const std::string text(1 << 20, letter);
    const std::clock_t start = std::clock();  // processor time: the machine may be busy
    const auto ids = smollm2().encode(text);
    const double spent = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
    std::cout << "1 MiB of '" << letter << "': " << spent << " s\n";
    EXPECT_LT(spent, 1.0);
    EXPECT_EQ(smollm2().decode(ids), text);
  }
}

std::vector<std::string> split(const std::string& text, const std::string& separator) {
  std::vector<std::string> parts;
  for (size_t begin = 0;;) {
    const size_t end = text.find(separator, begin);
    parts.push_back(text.substr(begin, end - begin));
    if (end == std::string::npos) return parts;
    begin = end + separator.size();
  }
}

class LlamaCppVocabulary : public testing::TestWithParam<const char*> {};

TEST_P(LlamaCppVocabulary, gives_the_ids_that_llama_cpp_records) {
  const std::filesystem::path path = llama_models() / (std::string("ggml-vocab-") + GetParam() + ".gguf");
  const Tokenizer tokenizer = load(path);
  const auto texts = split(read_file(path.string() + ".inp"), "\n__ggml_vocab_test__\n");
  const auto lines = split(read_file(path.string() + ".out"), "\n");
  ASSERT_GT(texts.size(), 30u);
  ASSERT_LE(texts.size(), lines.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    std::vector<int32_t> expected;
    std::istringstream line(lines[i]);
    for (int32_t id; line >> id;)
      expected.push_back(id);
    EXPECT_EQ(tokenizer.encode(texts[i]), expected) << texts[i];
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(tokenizer.decode(expected))), tokenizer.decode(expected));
  }
}

INSTANTIATE_TEST_SUITE_P(Known, LlamaCppVocabulary,
                         testing::Values("gpt-2", "llama-bpe", "qwen2", "llama-spm", "phi-3", "command-r",
                                         "deepseek-coder", "deepseek-llm", "falcon", "mpt", "refact", "starcoder"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

std::string python_list(const std::vector<int32_t>& ids) {
  std::string text = "[";
  for (const int32_t id : ids)
    text += (text.size() > 1 ? ", " : "") + std::to_string(id);
  return text + "]";
}

// llama.cpp's check text (convert_hf_to_gguf_update.py) and the hashes of its ids by which it knows a pre-tokenizer.
TEST(PreTokenizer, is_the_one_that_the_hash_of_the_check_text_names) {
  std::string check_text;
  for (const auto& text :
       split(read_file(llama_models() / "ggml-vocab-llama-bpe.gguf.inp"), "\n__ggml_vocab_test__\n")) {
    if (text.size() == 431) check_text = text;
  }
  ASSERT_EQ(sha256_hex(check_text), "a36179c1e2b1cfcfbfad1dc779addad2ffc778201e4cf0d538bddeafa2c526da");
  const Tokenizer llama = load(llama_models() / "ggml-vocab-llama-bpe.gguf");
  EXPECT_EQ(sha256_hex(python_list(llama.encode(check_text, {.add_special = true}))),
            "0ef9807a4087ebef797fc749390439009c3b9eda9ad1a097abbe738f486c01e5");
  EXPECT_EQ(sha256_hex(python_list(smollm2().encode(check_text))),
            "855059429035d75a914d1eda9f10a876752e281a054a7a3d421ef0533e5b6249");
}

struct LlamaCase {
  const char* text;
  std::vector<int32_t> ids;
};

// Hugging Face tokenizers on the Llama 3 vocabulary.
TEST(Llama3Tokenizer, gives_the_ids_of_hugging_face_tokenizers) {
  const Tokenizer tokenizer = load(llama_models() / "ggml-vocab-llama-bpe.gguf");
  const LlamaCase cases[] = {
      {"hello world", {15339, 1917}},
      {"\r\n", {319}},
      {"a\r\nb", {64, 319, 65}},
      {"a \r\n b", {64, 2591, 293}},
      {"  \n  x", {2355, 220, 865}},
      {"foo    bar", {8134, 262, 3703}},
      {"    def f(x):\n        return x", {262, 711, 282, 2120, 997, 286, 471, 865}},
      {"12345", {4513, 1774}},
      {"²³½", {30556, 44301, 27154}},
      {"===== ------", {47825, 56560}},
      {"00000000000000000", {931, 931, 931, 931, 931, 410}},
      {"coração", {6133, 13264}},
      {"nin\u0303o", {79560, 119074, 78}},
      {"Mapudungun küme antü", {2276, 664, 2234, 359, 67048, 2727, 3276, 2448}},
      {"g\u0303uarani: hag\u0303ua", {70, 119074, 19253, 5676, 25, 305, 351, 119074, 4381}},
      {"\u00a0\u00a0x", {4194, 4194, 87}},
      {"\ufeffBOM", {3305, 33, 1937}},
      {"x\u180ey", {87, 157, 254, 236, 88}},
      {"١٢٣٤", {109610, 110546, 117413, 124079}},
      {"👩‍👩‍👧‍👦",
       {9468, 239, 102, 102470, 9468, 239, 102, 102470, 9468, 239, 100, 102470, 9468, 239, 99}},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(tokenizer.encode(c.text), c.ids) << c.text;
  }
  EXPECT_EQ(tokenizer.encode("hello <|begin_of_text|> there", {.parse_special = true}),
            (std::vector<int32_t>{15339, 220, 128000, 1070}));
  EXPECT_EQ(tokenizer.encode("hello", {.add_special = true}), (std::vector<int32_t>{128000, 15339}));
  StreamDecoder stream(tokenizer);
  EXPECT_EQ(stream.push(80690), "");
  EXPECT_EQ(stream.push(98), "삥");
}

}  // namespace
}  // namespace afina::text
