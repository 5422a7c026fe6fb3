// SPDX-License-Identifier: Apache-2.0
#include "gui/view_model/format.h"

#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "base/utf8.h"

namespace afina::gui {

namespace {

constexpr std::string_view kMinus = "\u2212";
constexpr std::string_view kNone = "\u2013";

std::string print(const char* format, int decimals, double value) {
  std::array<char, 400> buffer{};  // the largest double has 309 digits before the point
  const int length = std::snprintf(buffer.data(), buffer.size(), format, decimals, std::abs(value));
  const std::string digits(buffer.data(), static_cast<size_t>(length));
  const bool zero = digits.find_first_of("123456789") == std::string::npos;
  return value < 0 && !zero ? std::string(kMinus) + digits : digits;
}

std::string utc(Time time, const char* format) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::array<char, 64> buffer{};
  const size_t length = std::strftime(buffer.data(), buffer.size(), format, &parts);
  return {buffer.data(), length};
}

// Code points without a picture of their own that fonts rarely carry: joiners, direction marks and variation selectors.
bool is_invisible(char32_t c) {
  return (c >= 0x200B && c <= 0x200D) || c == 0x2060 || c == 0xFEFF || (c >= 0xFE00 && c <= 0xFE0F) || c == 0x00AD;
}

std::string badge(char32_t c) {
  std::array<char, 16> buffer{};
  std::snprintf(buffer.data(), buffer.size(), "[U+%04X]", static_cast<unsigned>(c));
  return buffer.data();
}

}  // namespace

std::string with_groups(int64_t value) {
  std::string digits = std::to_string(value);
  const size_t sign = value < 0 ? 1 : 0;
  for (size_t i = digits.size(); i > sign + 3;) {
    i -= 3;
    digits.insert(i, "\u202F");
  }
  return sign == 1 ? std::string(kMinus) + digits.substr(1) : digits;
}

std::string fixed(std::optional<double> value, int decimals) {
  return value && std::isfinite(*value) ? print("%.*f", decimals, *value) : std::string(kNone);
}

std::string scientific(std::optional<double> value, int decimals) {
  return value && std::isfinite(*value) ? print("%.*e", decimals, *value) : std::string(kNone);
}

std::string percent(std::optional<double> share, int decimals) {
  return share && std::isfinite(*share) ? print("%.*f", decimals, 100 * *share) + " %" : std::string(kNone);
}

std::string date_time(Time time) {
  return utc(time, "%Y-%m-%d %H:%M");
}
std::string time_of_day(Time time) {
  return utc(time, "%H:%M:%S");
}

Age age(Time then, Time now) {
  const int64_t minutes = std::chrono::floor<std::chrono::minutes>(now - then).count();
  if (minutes < 1) return {};
  if (minutes < 120) return {AgeUnit::minutes, minutes};
  if (minutes < int64_t{48} * 60) return {AgeUnit::hours, minutes / 60};
  return {AgeUnit::days, minutes / (int64_t{24} * 60)};
}

std::string short_id(std::string_view id) {
  return std::string(id.size() > 8 ? id.substr(id.size() - 8) : id);
}

std::string one_line(std::string_view text, size_t max_code_points) {
  const std::string valid = repair_utf8(text.substr(0, 8 * max_code_points));
  std::string out;
  size_t count = 0;
  for (const char32_t c : code_points(valid)) {
    if (c == '\n' || c == '\r' || count == max_code_points) return out + "\u2026";
    append_utf8(out, c == '\t' ? U' ' : c);
    ++count;
  }
  return out;
}

std::string drawable_text(std::string_view text, const std::function<bool(char32_t)>& has_glyph,
                          size_t max_code_points) {
  const size_t budget = 4 * max_code_points;  // a code point has at most four bytes: hostile lengths cost nothing
  const std::string valid = repair_utf8(text.substr(0, budget));
  std::string out;
  out.reserve(valid.size());
  size_t count = 0;
  for (const char32_t c : code_points(valid)) {
    if (count++ == max_code_points) return out + "\u2026";
    if (c == '\n' || c == '\t') {
      out.push_back(static_cast<char>(c));
    } else if (c == '\r' || is_invisible(c)) {
      continue;
    } else if (c < 0x20 || c == 0x7F || !has_glyph(c)) {
      out += badge(c);
    } else {
      append_utf8(out, c);
    }
  }
  return text.size() > budget ? out + "\u2026" : out;
}

}  // namespace afina::gui
