// SPDX-License-Identifier: Apache-2.0
// Byte layout of token records (docs/formats.md), private to datasets/. Little-endian, every part at a multiple of 8.
#pragma once
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include "base/hash.h"

namespace afina::datasets::layout {

static_assert(std::endian::native == std::endian::little, "records are mapped as they lie on disk");

using Digest = std::array<uint8_t, 32>;

inline constexpr std::array<char, 8> kMagic{'A', 'F', 'I', 'N', 'A', 'T', 'O', 'K'};

// The file: this, the records, the index (TokenIndexEntry a row), the notes (JSON).
struct FileHead {
  std::array<char, 8> magic = kMagic;
  uint32_t version = 0;
  uint32_t reserved = 0;
  Digest key{};
  uint64_t rows = 0, records_bytes = 0, notes_bytes = 0;
  Digest data_sha256{}, index_sha256{}, notes_sha256{};
  Digest head_sha256{};  // of everything before it
};
static_assert(sizeof(FileHead) == 200 && std::is_trivially_copyable_v<FileHead>);

enum RecordFlags : uint32_t { kScore = 1, kPromptWeights = 2, kAllTrained = 4 };

// After it: u32 length of each sequence; i32 ids of prefix and sequences; f32 weights of the prefix (kPromptWeights)
// and of the sequences (unless kAllTrained: 1 each); name; preference ids as a JSON list; zeros up to a multiple of 8.
struct RecordHead {
  uint64_t checksum = 0;  // first 8 bytes of the SHA-256 of all that follows
  uint32_t sequences = 0, prefix = 0, flags = 0, name_bytes = 0, lineage_bytes = 0, reserved = 0;
  double soft_label = 1, margin = 0, weight = 1, tie = 0;
};
static_assert(sizeof(RecordHead) == 64 && std::is_trivially_copyable_v<RecordHead>);

inline Digest sha256(std::span<const std::byte> bytes) {
  Sha256 sha;
  sha.update(bytes.data(), bytes.size());
  return sha.finish();
}
inline Digest head_sha256(const FileHead& head) {
  return sha256(std::as_bytes(std::span(&head, 1)).first(sizeof(FileHead) - sizeof(Digest)));
}
inline uint64_t checksum(std::span<const std::byte> record) {
  const Digest digest = sha256(record.subspan(sizeof(uint64_t)));
  uint64_t first;
  std::memcpy(&first, digest.data(), sizeof first);
  return first;
}

}  // namespace afina::datasets::layout
