// SPDX-License-Identifier: Apache-2.0
// MACE (Hovy et al. 2013, "Learning Whom to Trust with MACE"): an annotator either knows the item's class or spams with
// a strategy of their own. Variational M-step with Beta(½, ½) on knowing and a Dirichlet on strategies, or plain EM
// with smoothing 0.01/K. Random restarts, best marginal likelihood kept. O(labels · classes) an iteration. Pure.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "quality/dawid_skene.h"

namespace afina::quality {

struct MaceStart {
  std::vector<double> knowing;   ///< raters: P(knows)
  std::vector<double> strategy;  ///< raters × classes, rows sum to 1
};

struct MaceOptions {
  bool variational = true;
  double knowing_prior = 0.5, spamming_prior = 0.5;  ///< of the Beta
  double strategy_prior = 10.0;                      ///< of the Dirichlet, as in the authors' program
  int restarts = 10;
  int iterations = 50;
  uint64_t seed = 1;
  std::optional<MaceStart> start;  ///< instead of random restarts
};

struct MaceFit {
  uint32_t items = 0, raters = 0, classes = 0;
  std::vector<double> posterior;  ///< items × classes
  std::vector<double> knowing;    ///< raters: competence; with the variational step knowing + spamming < 1
  std::vector<double> spamming;
  std::vector<double> strategy;  ///< raters × classes
  double log_likelihood = 0.0;   ///< Σ ln P(labels of an item)
};

/// Throws as fit_dawid_skene, and UsageError for a start of the wrong shape.
MaceFit fit_mace(std::span<const Label> labels, uint32_t items, uint32_t raters, uint32_t classes,
                 const MaceOptions& options = {});

}  // namespace afina::quality
