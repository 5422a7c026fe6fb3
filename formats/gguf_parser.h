// SPDX-License-Identifier: Apache-2.0
// The checked walk over a GGUF header, private to formats/: fills a GgufFile and refuses everything
// else. Parts of a split file are walked one by one and put together by GgufFile.
#pragma once
#include <cstring>
#include <string>
#include <string_view>

#include "formats/gguf.h"

namespace afina::formats {

/// Bytes of one value, 0 for strings and arrays, -1 for an unknown type.
int gguf_value_bytes(uint32_t type);

class GgufParser {
 public:
  GgufParser(GgufFile& file, std::span<const std::byte> bytes);
  /// Throws ModelError.
  void parse();

 private:
  template <typename T>
  T number(const std::string& what) {
    T value;
    std::memcpy(&value, take(sizeof(T), what).data(), sizeof(T));
    return value;
  }
  std::span<const std::byte> take(uint64_t size, const std::string& what);
  std::string_view string(const std::string& what, uint64_t max_bytes);
  uint64_t remaining() const { return bytes_.size() - at_; }
  [[noreturn]] void refuse(const std::string& what, const std::string& hint = "") const;
  void parse_value();
  GgufValue parse_array(const std::string& key);
  uint64_t parse_tensor();
  void place_tensors(const std::vector<uint64_t>& offsets);

  GgufFile& file_;
  std::string where_;
  std::span<const std::byte> bytes_;
  uint64_t at_ = 0;
  uint64_t key_bytes_ = 0;
  uint64_t alignment_ = 32;
};

}  // namespace afina::formats
