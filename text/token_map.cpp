// SPDX-License-Identifier: Apache-2.0
#include "text/token_map.h"

#include <bit>

namespace afina::text {

void TokenMap::reserve(size_t n_tokens, size_t n_bytes) {
  slots_.assign(std::bit_ceil(n_tokens * 2 + 16), Slot{});
  mask_ = slots_.size() - 1;
  used_ = 0;
  arena_.clear();
  arena_.reserve(n_bytes);
}

void TokenMap::insert(std::string_view text, int32_t id) {
  if (find(text) >= 0) return;
  if (used_ * 2 >= slots_.size()) grow();
  const uint32_t hash = hash_of(text);
  size_t i = hash & mask_;
  while (slots_[i].id >= 0)
    i = (i + 1) & mask_;
  slots_[i] = {hash, id, static_cast<uint32_t>(arena_.size()), static_cast<uint32_t>(text.size())};
  arena_ += text;
  ++used_;
}

void TokenMap::grow() {
  std::vector<Slot> old(slots_.size() * 2);
  old.swap(slots_);
  mask_ = slots_.size() - 1;
  for (const Slot& slot : old) {
    if (slot.id < 0) continue;
    size_t i = slot.hash & mask_;
    while (slots_[i].id >= 0)
      i = (i + 1) & mask_;
    slots_[i] = slot;
  }
}

}  // namespace afina::text
