// SPDX-License-Identifier: Apache-2.0
// Text of a token → its id, made for one look-up a piece: open addressing, texts in one arena. Filled once, then only
// read.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace afina::text {

class TokenMap {
 public:
  TokenMap() { reserve(0, 0); }
  /// Forgets everything and makes room.
  void reserve(size_t n_tokens, size_t n_bytes);
  /// The first id of a text stands. Texts in all below 4 GiB.
  void insert(std::string_view text, int32_t id);
  /// -1 where there is none.
  int32_t find(std::string_view text) const {
    const uint32_t hash = hash_of(text);
    for (size_t i = hash & mask_;; i = (i + 1) & mask_) {
      const Slot& slot = slots_[i];
      if (slot.id < 0) return -1;
      if (slot.hash == hash && slot.length == text.size() &&
          std::memcmp(arena_.data() + slot.begin, text.data(), text.size()) == 0) {
        return slot.id;
      }
    }
  }

 private:
  struct Slot {
    uint32_t hash = 0;
    int32_t id = -1;
    uint32_t begin = 0;
    uint32_t length = 0;
  };
  static uint32_t hash_of(std::string_view text) {
    uint64_t hash = text.size() * 0x9e3779b97f4a7c15ULL;
    const char* at = text.data();
    size_t left = text.size();
    const auto mix = [&hash](uint64_t word) {
      hash = (hash ^ word) * 0xff51afd7ed558ccdULL;
      hash ^= hash >> 32;
    };
    for (; left >= 8; left -= 8, at += 8) {
      uint64_t word;
      std::memcpy(&word, at, 8);
      mix(word);
    }
    uint64_t word = 0;
    if (left > 0) std::memcpy(&word, at, left);
    mix(word);
    return static_cast<uint32_t>(hash ^ (hash >> 29));
  }
  void grow();

  std::vector<Slot> slots_;
  std::string arena_;
  size_t mask_ = 0;
  size_t used_ = 0;
};

}  // namespace afina::text
