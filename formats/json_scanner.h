// SPDX-License-Identifier: Apache-2.0
// A strict reader of JSON whose shape is known beforehand (safetensors headers, shard indexes), private to formats/. It
// builds no tree, so a hostile 100 MB header costs neither memory nor seconds; whatever does not fit is refused at
// once.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace afina::formats {

class JsonScanner {
 public:
  /// `text` is valid UTF-8 and outlives the scanner; `where` stands in errors, `what` names the text in them
  /// ("header").
  JsonScanner(std::string_view text, std::string where, std::string what);

  // All throw ModelError "[where] must …" with the byte where it stopped.
  /// The begin of an object or array. `wanted` says what it should have been ("an object as __metadata__").
  void open(char bracket, const std::string& wanted);
  /// Whether another member follows; takes the comma before it or the closing bracket. `first` is true once, then
  /// false.
  bool next(char closing, bool& first);
  /// The name of a member and its colon.
  std::string key(size_t max_bytes, const std::string& wanted);
  std::string string(size_t max_bytes, const std::string& wanted);
  /// A number without sign, fraction or exponent that fits 64 bits.
  uint64_t whole_number(const std::string& wanted);
  /// Any value, up to 32 levels deep.
  void skip_value(int depth = 0);
  /// Nothing but white space may follow.
  void finish();
  [[noreturn]] void refuse(const std::string& what) const;

 private:
  void space();
  char peek();
  void append_escape(std::string& out);
  uint32_t hex4();
  void skip_digits();
  void skip_number();

  std::string_view text_;
  size_t at_ = 0;
  std::string where_, what_;
};

}  // namespace afina::formats
