// SPDX-License-Identifier: Apache-2.0
// True classes and annotators' confusion matrices from labels alone (Dawid and Skene 1979), and the one-coin variant
// for annotators with few labels (Zhang et al. 2016): one accuracy s, errors spread evenly.
//   M: e^w[c,k] ∝ Σ_j q_j(c)[y_j^w = k] + prior, p_c = mean q_j(c)     E: q_j(c) ∝ p_c Π_w e^w[c, y_j^w]
// E in log space; items with a known class (gold) stay clamped. Stops when the penalised ELBO a label gains less than
// the tolerance. O(labels · classes) an iteration. Pure.
#pragma once
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "quality/bounds.h"

namespace afina::quality {

/// One label: annotator `rater` called item `item` class `value`. All dense from 0.
struct Label {
  uint32_t item = 0, rater = 0, value = 0;
};

enum class StartFrom {
  majority,    ///< the most frequent class of an item, the lowest of equals
  vote_shares  ///< the share of each class, as crowd-kit starts
};

struct DawidSkeneOptions {
  double prior = 1.0;       ///< added to every cell of a confusion matrix; 0: maximum likelihood
  int one_coin_below = 20;  ///< annotators with fewer labels get one coin; 0: nobody
  int max_iterations = 200;
  double tolerance = 1e-5;
  StartFrom start = StartFrom::majority;
  std::vector<std::pair<uint32_t, uint32_t>> gold;  ///< (item, its class)
};

struct DawidSkeneFit {
  uint32_t items = 0, raters = 0, classes = 0;
  std::vector<double> posterior;  ///< q: items × classes
  std::vector<double> prior;      ///< p: classes
  std::vector<double> confusion;  ///< e: raters × classes (true) × classes (said)
  double elbo = 0.0;              ///< Σ over labels, penalised by the prior, nats
  int iterations = 0;
  bool converged = false;

  double q(uint32_t item, uint32_t value) const { return posterior[size_t{item} * classes + value]; }
};

/// Throws DataError for no label, fewer than two classes, or a label or gold item out of range.
DawidSkeneFit fit_dawid_skene(std::span<const Label> labels, uint32_t items, uint32_t raters, uint32_t classes,
                              const DawidSkeneOptions& options = {});

/// How often an annotator is right, as far as the posterior knows: Beta(1 + right, 1 + wrong), right = Σ q_j(y_j).
struct Reliability {
  double mean = 0.5;
  Bounds interval{0.025, 0.975};  ///< 95 % of that Beta
  double right = 0.0, wrong = 0.0;
};
/// One for each annotator; of somebody without labels the prior's.
std::vector<Reliability> reliabilities(const DawidSkeneFit& fit, std::span<const Label> labels);

/// The weight r of an annotator in soft labels (docs/math.md): how far better than chance, max(0, (mean − 1/K)/(1 −
/// 1/K)). 1 for the perfect, 0 for a coin or worse: such votes say nothing, and are never turned round.
double label_weight(const Reliability& reliability, uint32_t classes);

}  // namespace afina::quality
