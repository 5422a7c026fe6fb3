// SPDX-License-Identifier: Apache-2.0
// What every panel and widget draws with: colours, sentences, faces, the frame's time, and the list that takes
// commands.
#pragma once
#include <string>
#include <string_view>
#include <utility>

#include "gui/catalogue.h"
#include "gui/commands.h"
#include "gui/fonts.h"
#include "gui/palette.h"

namespace afina::gui {

/// Lives for one frame.
struct Ui {
  const Palette& palette;
  const Catalogue& texts;
  const Fonts& fonts;
  Time now;  ///< fixed in screenshots
  Commands& commands;

  template <typename C>
  void emit(C command) const {
    commands.emplace_back(std::move(command));
  }
};

}  // namespace afina::gui
