// SPDX-License-Identifier: Apache-2.0
#include "quality/annotator_checks.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "quality/special_functions.h"

namespace afina::quality {

void OutlierMartingale::add(double chance) {
  if (!(chance >= 0 && chance <= 1)) {
    throw DataError(cat("[quality.annotator_checks] a chance must lie within 0 and 1, but is ", chance, "."));
  }
  value_ /= 2 * std::clamp(chance, 0.01, 0.99);
  ++votes_;
  flagged_ |= votes_ >= kFewest && value_ > 1 / kAlpha;
}

double position_bias_p_value(int64_t left, int64_t decided) {
  if (left < 0 || left > decided) {
    throw DataError(cat("[quality.annotator_checks] left must lie within 0 and ", decided, ", but is ", left, "."));
  }
  const int64_t more = std::max(left, decided - left);
  return std::min(1.0, 2 * binomial_tail(static_cast<double>(decided), static_cast<double>(more), 0.5));
}

std::string_view to_string(AnnotatorWarning warning) {
  switch (warning) {
    case AnnotatorWarning::haste:
      return "haste";
    case AnnotatorWarning::position:
      return "position";
    case AnnotatorWarning::gold:
      return "gold";
    case AnnotatorWarning::outlier:
      return "outlier";
    case AnnotatorWarning::repeats:
      break;
  }
  return "repeats";
}

std::vector<AnnotatorWarning> annotator_warnings(const AnnotatorFacts& f) {
  std::vector<AnnotatorWarning> out;
  if (f.submitted >= 20 && f.median_ms && *f.median_ms < 3000) out.push_back(AnnotatorWarning::haste);
  const auto share = [](int64_t part, int64_t all) { return static_cast<double>(part) / static_cast<double>(all); };
  const bool one_sided = 5 * f.left > 4 * f.decided || 5 * f.left < f.decided;
  if (f.decided >= 50 && one_sided && position_bias_p_value(f.left, f.decided) < 1e-4) {
    out.push_back(AnnotatorWarning::position);
  }
  if (f.gold_seen >= 20 && share(f.gold_passed, f.gold_seen) < f.gold_pass) out.push_back(AnnotatorWarning::gold);
  if (f.outlier) out.push_back(AnnotatorWarning::outlier);
  if (f.most_repeated_reason >= 5 && 2 * f.most_repeated_reason >= f.reasons) {
    out.push_back(AnnotatorWarning::repeats);
  }
  return out;
}

int64_t annotator_cap(int64_t votes, int64_t floor) {
  if (votes < 0 || floor < 0) {
    throw UsageError(cat("[quality.annotator_checks] must have 0 votes or more and a floor of 0 or more, but got ",
                         votes, " and ", floor, "."));
  }
  const auto n = static_cast<double>(votes);
  const double share = votes == 0 ? 0 : std::min(0.0025, 1 / std::sqrt(n));
  return std::max(floor, static_cast<int64_t>(std::floor(n * share)));
}

int64_t network_cap(std::span<const int64_t> groups, int64_t others, double share, int64_t floor) {
  const auto is_negative = [](int64_t n) { return n < 0; };
  if (!(share > 0 && share < 1) || others < 0 || floor < 0 || std::ranges::any_of(groups, is_negative)) {
    throw UsageError(
        cat("[quality.annotator_checks] must have a share within (0, 1) and numbers of 0 or more, but got ", share,
            ", ", others, " others and a floor of ", floor, "."));
  }
  const auto fits = [&](int64_t c) {
    int64_t stays = others;
    for (const int64_t n : groups)
      stays += std::min(n, c);
    return static_cast<double>(c) <= share * static_cast<double>(stays);
  };
  // What stays grows ever more slowly with c: what fits is one run from 0 on.
  int64_t low = 0, high = std::accumulate(groups.begin(), groups.end(), others) + 1;
  while (high - low > 1) {
    const int64_t middle = low + (high - low) / 2;
    (fits(middle) ? low : high) = middle;
  }
  return std::max(floor, low);
}

}  // namespace afina::quality
