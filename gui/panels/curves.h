// SPDX-License-Identifier: Apache-2.0
// Six small plots of one run over one axis of steps: loss, reward margin, accuracy, learning rate, gradient norm,
// speed. Raw values thin, their smoothed line on top, held-out points as diamonds. Only what the screen can show is
// drawn.
#pragma once
#include <array>
#include <memory>
#include <string>
#include <utility>

#include "gui/ui.h"

namespace afina::gui {

class Curves {
 public:
  void draw(const Ui& ui, const std::shared_ptr<const RunDetail>& run);

 private:
  /// What of a chart is drawn in one view: made again only when the view, the width or the data change.
  struct Reduced {
    double from = 0, to = 0;
    size_t columns = 0;  ///< 0: not made yet
    Series raw, smoothed, held_out;
    std::pair<double, double> heights{0, 1};
  };
  struct Chart {
    Text title = Text::chart_loss;
    std::string metric;
    int decimals = 4;
    bool is_scientific = false;
    bool is_share = false;
    bool is_smoothed = true;
    Series raw;
    Series smoothed;
    Series held_out;
    Reduced reduced = {};
  };

  void prepare(const std::shared_ptr<const RunDetail>& run);
  void draw_toolbar(const Ui& ui);
  void draw_chart(const Ui& ui, Chart& chart, float width, float height);
  void draw_plot(const Ui& ui, Chart& chart, float height);
  const Reduced& reduce(Chart& chart, size_t columns) const;

  std::shared_ptr<const RunDetail> shown_;
  float smoothing_ = 0.6F;
  float prepared_smoothing_ = -1;
  std::array<Chart, 6> charts_;
  // The axis that all six share. It follows the data until someone zooms, and again after "Fit".
  bool is_following_ = true;
  std::pair<double, double> steps_{0, 1};
  double view_from_ = 0;
  double view_to_ = 1;
};

}  // namespace afina::gui
