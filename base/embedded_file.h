// SPDX-License-Identifier: Apache-2.0
// A file compiled into the program by afina_embed (cmake/Embed.cmake).
#pragma once
#include <string_view>

namespace afina {

struct EmbeddedFile {
  std::string_view name;  ///< path relative to the folder that embeds it
  std::string_view bytes;
};

}  // namespace afina
