// SPDX-License-Identifier: Apache-2.0
// BPE tokenizers, byte-level (GPT-2, Llama 3, SmolLM2, Qwen2, …) and of SentencePiece's kind (Llama 2, Mistral, …):
// text to ids with byte offsets, and back. Built from a GGUF vocabulary or a Hugging Face tokenizer.json; equal to HF
// tokenizers token by token. Not here: WordPiece, Unigram, training, chats.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace afina::formats {
class GgufFile;
}

namespace afina::text {

class DecoderStream;

/// Bytes [begin, end) of some text.
struct TextRange {
  size_t begin = 0;
  size_t end = 0;
  bool operator==(const TextRange&) const = default;
};

/// A token and the bytes of the text it stands for. Without add_special and without a normaliser the tokens tile the
/// text; with one they may overlap (half a decomposed character), leave out what it dropped, or change places where it
/// puts accents into canonical order.
struct TokenSpan {
  int32_t id = 0;
  size_t begin = 0;
  size_t end = 0;
};

struct EncodeOptions {
  /// Text that spells a control token becomes that token. Off for anything people wrote.
  bool parse_special = false;
  /// Adds what the vocabulary's post-processor (or BOS and EOS flags) asks for. Off for rendered chats: the template
  /// writes BOS itself.
  bool add_special = false;
};

/// Immutable after construction: any thread may use it.
class Tokenizer {
 public:
  struct Vocabulary;  // text/vocabulary.h; what the loaders fill

  /// Throws ModelError where the vocabulary contradicts itself. Callers use load_text_stack or the two loaders below.
  explicit Tokenizer(Vocabulary vocabulary);
  ~Tokenizer();
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;

  /// Ids of valid UTF-8. Throws DataError for invalid UTF-8 or text above 256 MiB. Time is n log n in the longest
  /// piece.
  std::vector<int32_t> encode(std::string_view text, const EncodeOptions& options = {}) const;
  /// As encode, with the bytes of each token.
  std::vector<TokenSpan> encode_spans(std::string_view text, const EncodeOptions& options = {}) const;
  /// Parses control tokens only where they touch no byte of `literal` (sorted, disjoint); merges run over the joined
  /// text, so ids equal encode's with parse_special wherever the literal ranges spell no control token.
  std::vector<TokenSpan> encode_marked(std::string_view text, std::span<const TextRange> literal) const;

  /// Text of ids by the vocabulary's decoder; broken UTF-8 becomes U+FFFD: one a maximal invalid part of byte-level
  /// tokens, one a byte of byte-fallback tokens, as Hugging Face. Throws DataError for an id out of range.
  std::string decode(std::span<const int32_t> ids, bool skip_special = false) const;
  /// Raw bytes of a token away from others, which need not be whole characters. Throws DataError for an id out of
  /// range.
  const std::string& token_bytes(int32_t id) const;

  /// Ids are 0 … vocab_size() - 1. The model's embedding may have more rows.
  int32_t vocab_size() const;
  /// Control token (BOS, end of turn, …), which decode drops with skip_special. False for an id out of range.
  bool is_special(int32_t id) const;
  /// The id of a whole token by its text ("<|im_end|>"), control and user-defined tokens first.
  std::optional<int32_t> find_token(std::string_view token_text) const;

  std::optional<int32_t> bos_id() const;
  std::optional<int32_t> eos_id() const;
  std::optional<int32_t> pad_id() const;
  std::optional<int32_t> unk_id() const;
  /// Every id that ends generation: the file's eos, eot, eom and its list, and the family's end tokens by text
  /// (llama.cpp's list; SmolLM2: 0 and 2). Sorted, unique.
  const std::vector<int32_t>& end_ids() const;

 private:
  friend class StreamDecoder;
  struct State;
  std::unique_ptr<State> state_;
};

/// Vocabularies "gpt2" (byte-level BPE) and "llama" (SentencePiece with scores); the file need not hold weights. Throws
/// ModelError naming the file and what is unsupported ("tokenizer.ggml.pre must be one of …, but got …").
Tokenizer load_gguf_tokenizer(const formats::GgufFile& file);
/// Reads tokenizer.json with tokenizer_config.json and generation_config.json where they exist. Throws NotFound,
/// DataError (broken JSON) or ModelError (a component that is not supported, named).
Tokenizer load_hf_tokenizer(const std::filesystem::path& folder);
/// One tokenizer.json of any name; its neighbours count only where it is called tokenizer.json. Throws as above.
Tokenizer load_tokenizer_json(const std::filesystem::path& file);

/// Turns a stream of ids into text that never shows half a character. One object a stream; not thread-safe.
/// The tokenizer must outlive it. All outputs together equal Tokenizer::decode of all ids.
class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer, bool skip_special = true);
  ~StreamDecoder();
  StreamDecoder(StreamDecoder&&) noexcept;
  /// The characters that are complete now; may be empty.
  std::string push(int32_t id);
  /// What is left at the end, broken UTF-8 as U+FFFD.
  std::string flush();

 private:
  const Tokenizer& tokenizer_;
  bool skip_special_;
  std::unique_ptr<DecoderStream> stream_;
};

}  // namespace afina::text
