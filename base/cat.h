// SPDX-License-Identifier: Apache-2.0
// One string from many pieces, for messages. Not for hot loops: it goes through an ostringstream.
#pragma once
#include <sstream>
#include <string>

namespace afina {

/// Concatenates everything that has an operator<<.
template <typename... Parts>
std::string cat(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

}  // namespace afina
