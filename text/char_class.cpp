// SPDX-License-Identifier: Apache-2.0
#include "text/char_class.h"

#include <algorithm>
#include <map>

#include "text/code_point_set.h"

namespace afina::text {

namespace {

void paint(std::vector<uint8_t>& flags, const CodePointSet& set, uint8_t value) {
  for (const auto& range : set.ranges()) {
    for (char32_t c = range.first; c <= range.last; ++c)
      flags[c] |= value;
  }
}

}  // namespace

const CharClasses& CharClasses::get() {
  static const CharClasses classes;
  return classes;
}

CharClasses::CharClasses() {
  std::vector<uint8_t> flags(0x110000, 0);
  paint(flags, union_of({"L"}), static_cast<uint8_t>(CharClass::letter));
  paint(flags, union_of({"N"}), static_cast<uint8_t>(CharClass::number));
  paint(flags, white_space(), static_cast<uint8_t>(CharClass::space));
  paint(flags, numeric(), kNumericBit);
  paint(flags, regex_word(), kWordBit);
  paint(flags, punctuation(), kPunctuationBit);
  paint(flags, accents(), kAccentBit);
  std::map<Block, uint16_t> known;
  for (size_t stage = 0; stage < stages_.size(); ++stage) {
    Block block;
    std::copy_n(flags.begin() + static_cast<std::ptrdiff_t>(stage << kShift), block.size(), block.begin());
    const auto [it, is_new] = known.emplace(block, static_cast<uint16_t>(blocks_.size()));
    if (is_new) blocks_.push_back(block);
    stages_[stage] = it->second;
  }
}

}  // namespace afina::text
