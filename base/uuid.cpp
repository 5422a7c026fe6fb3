// SPDX-License-Identifier: Apache-2.0
#include "base/uuid.h"

#include <sodium.h>

#include <array>
#include <cctype>
#include <chrono>
#include <mutex>

#include "base/hash.h"

namespace afina {
namespace {

struct Sequence {
  std::mutex mutex;
  uint64_t last_ms = 0;
  uint16_t counter = 0;
};

Sequence& sequence() {
  static Sequence instance;
  return instance;
}

}  // namespace

std::string uuid_v7(uint64_t unix_ms, uint16_t rand_a, uint64_t rand_b) {
  std::array<uint8_t, 16> bytes{};
  for (int i = 0; i < 6; ++i)
    bytes[i] = static_cast<uint8_t>(unix_ms >> (8 * (5 - i)));
  bytes[6] = static_cast<uint8_t>(0x70 | ((rand_a >> 8) & 0x0F));
  bytes[7] = static_cast<uint8_t>(rand_a);
  for (int i = 0; i < 8; ++i)
    bytes[8 + i] = static_cast<uint8_t>(rand_b >> (8 * (7 - i)));
  bytes[8] = static_cast<uint8_t>(0x80 | (bytes[8] & 0x3F));
  std::string text = hex(bytes);
  for (const size_t at : {8, 13, 18, 23})
    text.insert(at, 1, '-');
  return text;
}

std::string new_uuid() {
  uint64_t random = 0;
  randombytes_buf(&random, sizeof random);
  uint64_t now_ms = static_cast<uint64_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch())
          .count());
  auto& state = sequence();
  const std::lock_guard lock(state.mutex);
  // A clock that steps back, or more than 4,096 ids in a millisecond, must not break the order: time then runs ahead.
  if (now_ms > state.last_ms) {
    state.last_ms = now_ms;
    state.counter = static_cast<uint16_t>(random & 0x3FF);
  } else if (++state.counter > 0xFFF) {
    ++state.last_ms;
    state.counter = 0;
  }
  return uuid_v7(state.last_ms, state.counter, random);
}

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : std::isxdigit(static_cast<unsigned char>(text[i])) == 0) return false;
  }
  return true;
}

}  // namespace afina
