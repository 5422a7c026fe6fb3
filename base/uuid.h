// SPDX-License-Identifier: Apache-2.0
// UUIDv7 (RFC 9562 §5.7): 48-bit Unix milliseconds, a 12-bit counter within the millisecond, 62 random bits.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace afina {

/// A new id in lower case with dashes; ids made by one process sort in the order they were made. Thread-safe.
/// Never a capability: ids are guessable in part.
std::string new_uuid();
/// The layout alone, for tests. rand_a has 12 bits, rand_b 62.
std::string uuid_v7(uint64_t unix_ms, uint16_t rand_a, uint64_t rand_b);
/// True for the canonical 36-character form of any UUID.
bool is_uuid(std::string_view text);

}  // namespace afina
