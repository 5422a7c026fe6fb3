// SPDX-License-Identifier: Apache-2.0
#include "serve/stop_strings.h"

#include <algorithm>
#include <utility>

namespace afina::serve {

StopStrings::StopStrings(std::vector<std::string> stops) : stops_(std::move(stops)) {
  std::erase(stops_, std::string());
}

std::string StopStrings::push(std::string_view text) {
  if (matched_) return {};
  pending_ += text;
  size_t first = std::string::npos;
  for (const std::string& stop : stops_)
    first = std::min(first, pending_.find(stop));
  matched_ = first != std::string::npos;
  const size_t shown = matched_ ? first : pending_.size() - held_back();
  std::string out = pending_.substr(0, shown);
  pending_.erase(0, matched_ ? pending_.size() : shown);
  return out;
}

std::string StopStrings::flush() {
  return std::exchange(pending_, {});
}

// Length of the longest end of the text that begins some stop string. A valid string cannot begin inside a character,
// so what stays in front of it is whole characters.
size_t StopStrings::held_back() const {
  size_t longest = 0;
  for (const std::string& stop : stops_) {
    for (size_t size = std::min(stop.size() - 1, pending_.size()); size > longest; --size) {
      if (std::string_view(pending_).ends_with(std::string_view(stop).substr(0, size))) longest = size;
    }
  }
  return longest;
}

}  // namespace afina::serve
