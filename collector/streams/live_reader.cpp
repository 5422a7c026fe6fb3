// SPDX-License-Identifier: Apache-2.0
// One client's place in a live turn: how much of each side it has, which is also what an event's id says.
#include <algorithm>
#include <charconv>

#include "base/cat.h"
#include "collector/live_turn.h"
#include "http/sse.h"

namespace afina::collector {
namespace {

/// The largest cut of `text` at most at `most` that splits no code point.
size_t whole_code_points(std::string_view text, size_t most) {
  if (most >= text.size()) return text.size();
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0) == 0x80)
    --most;
  return most;
}

bool is_boundary(std::string_view text, size_t at) {
  return at <= text.size() && whole_code_points(text, at) == at;
}

}  // namespace

class LiveReader final : public http::EventReader {
 public:
  LiveReader(std::shared_ptr<LiveTurn> turn, const std::string& last_event_id)
      : turn_(std::move(turn)), has_(turn_->sides_.size(), 0), told_(turn_->sides_.size(), false) {
    resume(last_event_id);
  }
  ~LiveReader() override {
    const std::lock_guard lock(turn_->mutex_);
    turn_->rings_.erase(this);
  }
  void on_news(std::function<void()> ring) override {
    const std::lock_guard lock(turn_->mutex_);
    turn_->rings_[this] = std::move(ring);
  }
  bool pull(std::string& out, size_t max_bytes) override;

 private:
  void resume(const std::string& id);
  std::string id() const;

  const std::shared_ptr<LiveTurn> turn_;
  std::vector<size_t> has_;  ///< bytes of each side's text that were sent
  std::vector<bool> told_;   ///< of each side's leak
  bool started_ = false;
};

// "TAG.BYTES" or "TAG.BYTES.BYTES". Anything else begins from the start.
void LiveReader::resume(const std::string& id) {
  const std::lock_guard lock(turn_->mutex_);
  std::string_view rest = id;
  if (!rest.starts_with(turn_->tag_)) return;
  rest.remove_prefix(turn_->tag_.size());
  std::vector<size_t> has;
  for (const auto& side : turn_->sides_) {
    size_t bytes = 0;
    if (!rest.starts_with('.')) return;
    const auto [end, error] = std::from_chars(rest.data() + 1, rest.data() + rest.size(), bytes);
    if (error != std::errc() || !is_boundary(side.text, bytes)) return;
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
    has.push_back(bytes);
  }
  if (!rest.empty()) return;
  has_ = std::move(has);
  started_ = true;
}

std::string LiveReader::id() const {
  std::string text = turn_->tag_;
  for (const size_t bytes : has_)
    text += cat(".", bytes);
  return text;
}

bool LiveReader::pull(std::string& out, size_t max_bytes) {
  const std::lock_guard lock(turn_->mutex_);
  if (!started_) out += http::format_sse_event(dump_json(turn_->start_), "start", id());
  started_ = true;
  bool all = true;
  for (size_t i = 0; i < has_.size(); ++i) {
    const LiveTurn::Side& side = turn_->sides_[i];
    const std::string_view rest = std::string_view(side.text).substr(has_[i]);
    const size_t cut = whole_code_points(rest, max_bytes / has_.size());
    if (cut > 0) {
      has_[i] += cut;
      const Json piece{{"side", side.name}, {"text", rest.substr(0, cut)}};
      out += http::format_sse_event(dump_json(piece), "delta", id());
    }
    all = all && has_[i] == side.text.size();
    if (side.leaked && !told_[i]) out += http::format_sse_event(dump_json(Json{{"side", side.name}}), "leak");
    told_[i] = side.leaked;
  }
  if (!all || turn_->end_event_.empty()) return true;
  out += http::format_sse_event(dump_json(turn_->end_data_), turn_->end_event_);
  return false;
}

std::unique_ptr<http::EventReader> LiveTurn::follow(const std::string& last_event_id) {
  return std::make_unique<LiveReader>(shared_from_this(), last_event_id);
}

}  // namespace afina::collector
