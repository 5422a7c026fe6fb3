// SPDX-License-Identifier: Apache-2.0
// One conversation to read. People's and models' text is drawn as stored, wrapped, with a badge where no face has a
// code point; it is never a format string or markup.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "gui/ui.h"

namespace afina::gui {

class Transcript {
 public:
  void draw(const Ui& ui, const std::shared_ptr<const ConversationDetail>& detail);

 private:
  /// Texts of a turn with badges in place: made once a snapshot, not once a frame.
  struct Drawable {
    std::string text;
    std::vector<std::string> answers;
    std::vector<std::string> reasons;
    float height = 0;  ///< of the last frame; 0 before the first
  };

  void prepare(const Ui& ui, const std::shared_ptr<const ConversationDetail>& detail);
  void draw_turn(const Ui& ui, const Turn& turn, const Drawable& drawable, size_t index);
  void draw_pair(const Ui& ui, const Turn& turn, const Drawable& drawable);
  void draw_answer(const Ui& ui, const Answer& answer, const std::string& text, bool is_a, float width);
  void draw_votes(const Ui& ui, const Turn& turn, const Drawable& drawable, float width);

  std::shared_ptr<const ConversationDetail> shown_;
  float width_ = 0;
  std::vector<Drawable> drawables_;
};

}  // namespace afina::gui
