// SPDX-License-Identifier: Apache-2.0
#include "gui/panels/curves.h"

#include <implot.h>

#include <algorithm>
#include <cmath>

#include "finetune/config/metric_names.h"
#include "gui/view_model/series.h"
#include "gui/widgets.h"

namespace afina::gui {

namespace {

namespace metric = afina::finetune::metric;

Series find(const RunDetail& run, const std::string& name) {
  const auto found = run.series.find(name);
  return found == run.series.end() ? Series{} : found->second;
}

// Of what lies in view, over both curves.
std::pair<double, double> height_of(const Series& raw, const Series& held_out) {
  Series both = raw;
  both.values.insert(both.values.end(), held_out.values.begin(), held_out.values.end());
  return value_range(both).value_or(std::pair<double, double>{0.0, 1.0});
}

std::string value_text(double value, int decimals, bool is_scientific, bool is_share) {
  if (is_scientific) return scientific(value, 2);
  return is_share ? percent(value, 1) : fixed(value, decimals);
}

}  // namespace

void Curves::prepare(const std::shared_ptr<const RunDetail>& run) {
  if (run == shown_ && smoothing_ == prepared_smoothing_) return;
  if (shown_ == nullptr || shown_->row.id != run->row.id) is_following_ = true;
  shown_ = run;
  prepared_smoothing_ = smoothing_;
  const bool pairs = run->row.method == "dpo";
  charts_[0] = {pairs ? Text::chart_loss_pair : Text::chart_loss, metric::kLoss, 4, false, false, true, {}, {}, {}, {}};
  charts_[1] = {Text::chart_margin, metric::kRewardsMargins, 4, false, false, true, {}, {}, {}, {}};
  charts_[2] = {pairs ? Text::chart_accuracy : Text::chart_token_accuracy,
                pairs ? metric::kRewardsAccuracies : metric::kMeanTokenAccuracy,
                4,
                false,
                true,
                true,
                {},
                {},
                {}};
  charts_[3] = {Text::chart_learning_rate, metric::kLearningRate, 4, true, false, false, {}, {}, {}, {}};
  charts_[4] = {Text::chart_grad_norm, metric::kGradNorm, 3, false, false, true, {}, {}, {}, {}};
  charts_[5] = {Text::chart_speed, metric::kTokensPerSecond, 0, false, false, true, {}, {}, {}, {}};
  std::pair<double, double> steps{0, 1};
  for (Chart& chart : charts_) {
    chart.raw = find(*run, chart.metric);
    chart.held_out = find(*run, metric::eval(chart.metric));
    chart.smoothed = smooth(chart.raw, chart.is_smoothed ? static_cast<double>(smoothing_) : 0.0);
    const bool first = &chart == charts_.data();
    const bool has_points = !chart.raw.steps.empty() || !chart.held_out.steps.empty();
    const auto own = step_range(chart.raw, chart.held_out);
    if (first) steps = own;
    if (has_points) steps = {std::min(steps.first, own.first), std::max(steps.second, own.second)};
  }
  if (steps.second <= steps.first) steps.second = steps.first + 1;
  // Room for the last tick's number at the right edge.
  const double length = steps.second - steps.first;
  steps_ = {steps.first - 0.01 * length, steps.second + 0.05 * length};
}

void Curves::draw(const Ui& ui, const std::shared_ptr<const RunDetail>& run) {
  prepare(run);
  const bool has_points =
      std::any_of(charts_.begin(), charts_.end(), [](const Chart& chart) { return !chart.raw.steps.empty(); });
  if (!has_points) return empty_state(ui, "no_points", ui.texts(Text::run_no_points), "", "");
  draw_toolbar(ui);
  if (is_following_) std::tie(view_from_, view_to_) = steps_;
  const std::pair<double, double> before{view_from_, view_to_};
  const ImVec2 room = ImGui::GetContentRegionAvail();
  const float gap = em(0.8F);
  const int columns = room.x > em(46) ? 3 : 2, rows = 6 / columns;
  const float width = (room.x - gap * static_cast<float>(columns - 1)) / static_cast<float>(columns);
  const float height = std::max((room.y - gap * static_cast<float>(rows - 1)) / static_cast<float>(rows), em(9));
  const ImVec2 at = ImGui::GetCursorPos();
  for (int i = 0; i < 6; ++i) {
    const int row = i / columns;
    ImGui::SetCursorPos(
        {at.x + static_cast<float>(i % columns) * (width + gap), at.y + static_cast<float>(row) * (height + gap)});
    ImGui::PushID(i);
    draw_chart(ui, charts_.at(static_cast<size_t>(i)), width, height);
    ImGui::PopID();
  }
  if (before != std::pair<double, double>{view_from_, view_to_}) is_following_ = false;  // zoomed or moved by hand
}

void Curves::draw_toolbar(const Ui& ui) {
  ImGui::AlignTextToFramePadding();
  label(ui.texts(Text::smoothing), ui.palette.muted);
  ImGui::SameLine();
  ImGui::SetNextItemWidth(em(8));
  ImGui::SliderFloat("##smoothing", &smoothing_, 0.0F, 0.99F, "", ImGuiSliderFlags_AlwaysClamp);
  ImGui::SameLine();
  ImGui::BeginDisabled(is_following_);
  if (ImGui::Button(cat(ui.texts(Text::chart_fit), "###fit").c_str())) is_following_ = true;
  ImGui::EndDisabled();
  ImGui::SameLine(0, em(1.2F));
  label("\u25C6", ui.palette.series[1]);
  ImGui::SameLine();
  label(ui.texts(Text::chart_eval), ui.palette.muted);
  ImGui::SameLine(0, em(1.2F));
  const std::string note = smoothing_ > 0 ? ui.texts(Text::smoothing_note, fixed(smoothing_, 2))
                                          : std::string(ui.texts(Text::smoothing_off));
  clipped(cat(note, "    x: ", ui.texts(Text::chart_steps)), ui.palette.muted, ImGui::GetContentRegionAvail().x);
}

void Curves::draw_chart(const Ui& ui, Chart& chart, float width, float height) {
  ImGui::BeginChild("chart", {width, height});
  const bool has_points = !chart.raw.steps.empty() || !chart.held_out.steps.empty();
  const std::string newest = chart.raw.values.empty() ? ""
                                                      : value_text(chart.raw.values.back(), chart.decimals,
                                                                   chart.is_scientific, chart.is_share);
  const float value_width = ImGui::CalcTextSize(newest.c_str()).x + em(0.6F);
  ImGui::PushFont(ui.fonts.semibold, 0);
  clipped(ui.texts(chart.title), has_points ? ui.palette.text : ui.palette.muted,
          ImGui::GetContentRegionAvail().x - value_width);
  ImGui::PopFont();
  if (!newest.empty()) {
    ImGui::SameLine();
    right_aligned(newest, ui.palette.muted);
  }
  if (has_points) {
    draw_plot(ui, chart, ImGui::GetContentRegionAvail().y);
  } else {
    const ImVec2 at = ImGui::GetCursorScreenPos(), room = ImGui::GetContentRegionAvail();
    ImGui::GetWindowDrawList()->AddRect(at, {at.x + room.x, at.y + room.y}, colour(ui.palette.border), em(0.3F));
    const char* text = ui.texts(Text::chart_none);
    const ImVec2 size = ImGui::CalcTextSize(text);
    ImGui::SetCursorScreenPos({at.x + std::max(em(0.3F), (room.x - size.x) / 2), at.y + (room.y - size.y) / 2});
    label(text, ui.palette.muted);
  }
  ImGui::EndChild();
}

const Curves::Reduced& Curves::reduce(Chart& chart, size_t columns) const {
  Reduced& view = chart.reduced;
  if (view.columns == columns && view.from == view_from_ && view.to == view_to_) return view;
  view.from = view_from_;
  view.to = view_to_;
  view.columns = columns;
  view.raw = decimate(chart.raw, view_from_, view_to_, columns);
  view.smoothed = decimate(chart.smoothed, view_from_, view_to_, columns);
  view.held_out = decimate(chart.held_out, view_from_, view_to_, columns);
  view.heights = height_of(view.raw, view.held_out);
  return view;
}

void Curves::draw_plot(const Ui& ui, Chart& chart, float height) {
  constexpr ImPlotFlags kFlags = ImPlotFlags_NoTitle | ImPlotFlags_NoLegend | ImPlotFlags_NoMenus;
  ImPlot::PushStyleColor(ImPlotCol_FrameBg, colour(ui.palette.surface));
  ImPlot::PushStyleColor(ImPlotCol_PlotBg, colour(ui.palette.raised));
  ImPlot::PushStyleColor(ImPlotCol_AxisText, colour(ui.palette.muted));
  ImPlot::PushStyleColor(ImPlotCol_AxisGrid, colour(ui.palette.border));
  if (ImPlot::BeginPlot("##plot", {-1, height}, kFlags)) {
    const auto columns = static_cast<size_t>(std::max(16.0F, ImGui::GetContentRegionAvail().x));
    const Reduced& view = reduce(chart, columns);
    ImPlot::SetupAxes(nullptr, nullptr, ImPlotAxisFlags_NoHighlight,
                      ImPlotAxisFlags_NoHighlight | ImPlotAxisFlags_Lock);
    ImPlot::SetupAxisLinks(ImAxis_X1, &view_from_, &view_to_);
    ImPlot::SetupAxisLimits(ImAxis_Y1, view.heights.first, view.heights.second, ImPlotCond_Always);
    if (chart.is_scientific) ImPlot::SetupAxisFormat(ImAxis_Y1, "%.2g");
    ImPlot::SetupMouseText(ImPlotLocation_NorthEast);
    const auto plot = [](const char* id, const Series& series, const ImPlotSpec& spec) {
      ImPlot::PlotLine(id, series.steps.data(), series.values.data(), static_cast<int>(series.steps.size()), spec);
    };
    ImPlotSpec spec;
    const bool has_smoothed = chart.is_smoothed && smoothing_ > 0;
    spec.LineColor = colour_vec(ui.palette.series[0], has_smoothed ? 0.35F : 1.0F);
    spec.LineWeight = has_smoothed ? 1.0F : 2.0F;
    plot("raw", view.raw, spec);
    spec.LineColor = colour_vec(ui.palette.series[0]);
    spec.LineWeight = 2.0F;
    if (has_smoothed) plot("smoothed", view.smoothed, spec);
    ImPlotSpec points;
    points.LineColor = points.MarkerFillColor = points.MarkerLineColor = colour_vec(ui.palette.series[1]);
    points.LineWeight = 1.5F;
    points.Marker = ImPlotMarker_Diamond;
    points.MarkerSize = em(0.28F);
    plot("held_out", view.held_out, points);
    ImPlot::EndPlot();
  }
  ImPlot::PopStyleColor(4);
}

}  // namespace afina::gui
