// SPDX-License-Identifier: Apache-2.0
// The components of tokenizer.json (huggingface/tokenizers): each JSON object checked and turned into steps; whatever
// is not known is refused by name.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "text/decoder.h"
#include "text/normalizer.h"
#include "text/splitter.h"

namespace afina::text {

/// One object of the file and where it stands, for reading fields with errors that name both.
class JsonPart {
 public:
  /// where: the file; path: "pre_tokenizer.pretokenizers[1]". json must outlive this.
  JsonPart(const Json& json, std::string where, std::string path)
      : json_(json), where_(std::move(where)), path_(std::move(path)) {}

  const Json& json() const { return json_; }
  const std::string& where() const { return where_; }
  const std::string& path() const { return path_; }
  bool is_null() const { return json_.is_null(); }
  /// "" where there is none.
  std::string type() const;
  bool has(const char* name) const;
  /// A field, null where missing.
  JsonPart at(const char* name) const;
  JsonPart at(size_t index) const;
  /// Elements of a list; throws where this is none.
  size_t size() const;

  /// Fields; missing or null gives the fallback, another type throws ModelError.
  bool flag(const char* name, bool fallback) const;
  std::string text(const char* name, const std::string& fallback) const;
  /// Not negative and below 2^31.
  size_t number(const char* name, size_t fallback) const;
  /// A field that must be exactly one character.
  std::string character(const char* name) const;
  std::string required_text(const char* name) const;

  [[noreturn]] void refuse(const std::string& wanted) const;

 private:
  const Json& json_;
  std::string where_;
  std::string path_;
};

std::vector<NormalizerStep> read_normalizer(const JsonPart& part);

struct PreTokenizerSteps {
  std::vector<SplitStep> steps;
  bool ends_in_byte_level = false;  ///< the last step changed to GPT-2's alphabet; it is not among the steps
};
PreTokenizerSteps read_pre_tokenizer(const JsonPart& part);

/// Null gives a chain without steps.
DecoderChain read_decoder(const JsonPart& part);

}  // namespace afina::text
