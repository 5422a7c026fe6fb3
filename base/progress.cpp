// SPDX-License-Identifier: Apache-2.0
#include "base/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "base/cat.h"

namespace afina {
namespace {

using std::chrono::steady_clock;

std::string duration_text(double seconds) {
  const int whole = static_cast<int>(std::lround(seconds));
  char out[32];
  std::snprintf(out, sizeof out, "%d:%02d", whole / 60, whole % 60);
  return out;
}

}  // namespace

Progress::Progress(std::string title, double total, std::string unit)
    : title_(std::move(title)),
      unit_(std::move(unit)),
      total_(total),
      terminal_(::isatty(STDERR_FILENO) == 1),
      start_(steady_clock::now()),
      shown_(start_ - std::chrono::hours(1)) {}

Progress::~Progress() {
  if (line_open_) std::fputc('\n', stderr);
}

void Progress::update(double done, const std::string& extra) {
  const auto now = steady_clock::now();
  const bool finished = total_ > 0 && done >= total_;
  const auto gap = terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(5000);
  if (now - shown_ < gap && !finished) return;
  shown_ = now;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  // A rate from the first moments would be a number without meaning.
  const double rate = seconds > 0.2 || finished ? done / std::max(seconds, 1e-3) : 0;
  char head[160];
  if (total_ > 0) {
    const std::string left = rate > 0 ? duration_text((total_ - done) / rate) : "?";
    const std::string speed = rate > 0 ? cat(", ", static_cast<double>(std::llround(rate * 10)) / 10, "/s") : "";
    std::snprintf(head, sizeof head, "%s %.0f/%.0f %s%s, %s left", title_.c_str(), done, total_, unit_.c_str(),
                  speed.c_str(), left.c_str());
  } else {
    std::snprintf(head, sizeof head, "%s %.0f %s, %.1f/s", title_.c_str(), done, unit_.c_str(), rate);
  }
  std::fprintf(stderr, terminal_ ? "\r\033[K%s%s%s" : "%s%s%s\n", head, extra.empty() ? "" : "  ", extra.c_str());
  line_open_ = terminal_;
}

}  // namespace afina
