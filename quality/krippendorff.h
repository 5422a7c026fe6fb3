// SPDX-License-Identifier: Apache-2.0
// Krippendorff's α: agreement of any number of raters on any scale with values missing (Krippendorff, "Computing
// Krippendorff's Alpha-Reliability", 2011; Content Analysis, ch. 12). α = 1 − D_o/D_e.
//   o_ck: coincidences, Σ_u (ordered c–k pairs of unit u) / (m_u − 1);  n_c = Σ_k o_ck;  n = Σ n_c
//   D_o = ΣΣ o_ck δ²/n;  D_e = ΣΣ n_c n_k δ² / (n(n−1))
//   δ²: nominal [c≠k]; ordinal (Σ_{g=c..k} n_g − (n_c+n_k)/2)²; interval (c−k)²; ratio ((c−k)/(c+k))²
// Units with the same values count alike, so the tally keeps how often each pattern of values occurs: a unit is added
// or taken out in O(m log patterns), α costs O(patterns · m + K²), and a bootstrap of a million units no more than one
// of its patterns.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "quality/bounds.h"

namespace afina::quality {

enum class Scale { nominal, ordinal, interval, ratio };
std::string_view to_string(Scale scale);

/// unanimous: everybody said the same everywhere, which leaves chance nothing to disagree on (0/0): neither 1 nor 0.
/// too_few: no unit has two values.
enum class AlphaState { defined, unanimous, too_few };
std::string_view to_string(AlphaState state);

struct Alpha {
  AlphaState state = AlphaState::too_few;
  double value = 0.0;                     ///< −1 … 1 where defined
  double observed = 0.0, expected = 0.0;  ///< D_o and D_e
  int64_t units = 0;                      ///< with two values or more
  int64_t values = 0;                     ///< in those units: n
  std::optional<Bounds> interval;         ///< of the bootstrap, where asked for and defined
  int64_t undefined_resamples = 0;        ///< resamples that were unanimous; not part of the interval
};

struct AlphaBootstrap {
  int resamples = 1000;
  double confidence = 0.95;
  uint64_t seed = 1;
};

/// Not thread-safe; cheap to copy.
class AlphaTally {
 public:
  /// One unit's values (what different raters said of it), in any order. A unit with fewer than two is kept out of α
  /// and changes nothing. Throws DataError for a value that is not finite, or for more than 1,024 different values.
  void add(std::span<const double> values);
  /// Takes out a unit that was added before; throws DataError for one that was not.
  void remove(std::span<const double> values);
  /// Ratio scales ask for values of one sign, else DataError.
  Alpha alpha(Scale scale) const;
  /// With the percentile interval over units drawn with replacement. Throws UsageError for fewer than 100 resamples or
  /// a confidence outside (0, 1).
  Alpha alpha(Scale scale, const AlphaBootstrap& bootstrap) const;

 private:
  std::map<std::vector<double>, int64_t> patterns_;  ///< sorted values → how many units have exactly these
  std::map<double, int64_t> values_;                 ///< how often each occurs
};

/// One value that somebody gave to a unit.
struct UnitValue {
  uint32_t unit = 0;  ///< 0 … units−1, dense
  double value = 0.0;
};
/// The tally of values in any order: counting sort by unit, O(values + units).
AlphaTally tally_units(std::span<const UnitValue> values);

}  // namespace afina::quality
