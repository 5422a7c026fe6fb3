// SPDX-License-Identifier: Apache-2.0
#include "quality/mace.h"

#include <cmath>

#include "base/error.h"
#include "quality/draws.h"
#include "quality/special_functions.h"

namespace afina::quality {
namespace {

class Em {
 public:
  Em(std::span<const Label> labels, const MaceOptions& options, MaceFit& fit)
      : labels_(labels), options_(options), fit_(fit), k_(fit.classes) {}

  void run(const MaceStart& start) {
    fit_.knowing = start.knowing;
    fit_.strategy = start.strategy;
    fit_.spamming.clear();
    for (const double knows : start.knowing)
      fit_.spamming.push_back(1 - knows);
    e_step();
    for (int i = 0; i < options_.iterations; ++i) {
      m_step();
      e_step();
    }
  }

 private:
  double said(const Label& l) const { return fit_.spamming[l.rater] * fit_.strategy[size_t{l.rater} * k_ + l.value]; }

  void e_step() {
    const double uniform = -std::log(static_cast<double>(k_));
    fit_.posterior.assign(size_t{fit_.items} * k_, uniform);
    for (const auto& l : labels_) {
      for (size_t c = 0; c < k_; ++c) {
        fit_.posterior[size_t{l.item} * k_ + c] += std::log(said(l) + (l.value == c ? fit_.knowing[l.rater] : 0.0));
      }
    }
    fit_.log_likelihood = 0;
    for (size_t j = 0; j < fit_.items; ++j) {
      double* q = &fit_.posterior[j * k_];
      double top = q[0], sum = 0;
      for (size_t c = 1; c < k_; ++c)
        top = std::max(top, q[c]);
      for (size_t c = 0; c < k_; ++c)
        sum += q[c] = std::exp(q[c] - top);
      for (size_t c = 0; c < k_; ++c)
        q[c] /= sum;
      fit_.log_likelihood += top + std::log(sum);
    }
    expect();
  }

  // Expected counts: knowing, and spamming by label.
  void expect() {
    knew_.assign(fit_.raters, 0.0);
    spammed_.assign(size_t{fit_.raters} * k_, 0.0);
    for (const auto& l : labels_) {
      const double* q = &fit_.posterior[size_t{l.item} * k_];
      const double spam = said(l), right = spam + fit_.knowing[l.rater];
      const double knew = right > 0 ? q[l.value] * fit_.knowing[l.rater] / right : 0.0;
      knew_[l.rater] += knew;
      spammed_[size_t{l.rater} * k_ + l.value] += 1 - knew;
    }
  }

  double share(double count, double prior, double all) const {
    if (!options_.variational) return all > 0 ? (count + prior) / all : 0;
    return std::exp(digamma(count + prior) - digamma(all));
  }

  void m_step() {
    const double smoothing = 0.01 / static_cast<double>(k_);
    const double knowing_prior = options_.variational ? options_.knowing_prior : smoothing;
    const double spamming_prior = options_.variational ? options_.spamming_prior : smoothing;
    const double strategy_prior = options_.variational ? options_.strategy_prior : smoothing;
    for (size_t w = 0; w < fit_.raters; ++w) {
      double spammed = 0;
      for (size_t k = 0; k < k_; ++k)
        spammed += spammed_[w * k_ + k];
      const double all = spammed + knew_[w] + knowing_prior + spamming_prior;
      fit_.knowing[w] = share(knew_[w], knowing_prior, all);
      fit_.spamming[w] = share(spammed, spamming_prior, all);
      for (size_t k = 0; k < k_; ++k) {
        fit_.strategy[w * k_ + k] =
            share(spammed_[w * k_ + k], strategy_prior, spammed + strategy_prior * static_cast<double>(k_));
      }
    }
  }

  std::span<const Label> labels_;
  const MaceOptions& options_;
  MaceFit& fit_;
  size_t k_;
  std::vector<double> knew_, spammed_;
};

MaceStart random_start(uint32_t raters, uint32_t classes, Draws& draws) {
  MaceStart start;
  for (uint32_t w = 0; w < raters; ++w) {
    const double a = 1 + draws.unit(), b = 1 + draws.unit();
    start.knowing.push_back(a / (a + b));
    std::vector<double> row;
    double sum = 0;
    for (uint32_t k = 0; k < classes; ++k) {
      row.push_back(1 + draws.unit());
      sum += row.back();
    }
    for (const double value : row)
      start.strategy.push_back(value / sum);
  }
  return start;
}

void check(std::span<const Label> labels, uint32_t items, uint32_t raters, uint32_t classes,
           const MaceOptions& options) {
  if (labels.empty()) throw DataError("[quality.mace] must have at least one label, but got none.");
  if (classes < 2) throw DataError(cat("[quality.mace] must have two classes or more, but got ", classes, "."));
  for (const auto& label : labels) {
    if (label.item >= items || label.rater >= raters || label.value >= classes) {
      throw DataError(cat("[quality.mace] labels must be of ", items, " items, ", raters, " raters and ", classes,
                          " classes, but got item ", label.item, ", rater ", label.rater, ", class ", label.value,
                          "."));
    }
  }
  if (options.restarts < 1 || options.iterations < 1) {
    throw UsageError(cat("[quality.mace] must have one restart and iteration or more, but got ", options.restarts,
                         " and ", options.iterations, "."));
  }
  if (options.start &&
      (options.start->knowing.size() != raters || options.start->strategy.size() != size_t{raters} * classes)) {
    throw UsageError(cat("[quality.mace] a start must have ", raters, " annotators of ", classes, " classes, but has ",
                         options.start->knowing.size(), "."));
  }
}

}  // namespace

MaceFit fit_mace(std::span<const Label> labels, uint32_t items, uint32_t raters, uint32_t classes,
                 const MaceOptions& options) {
  check(labels, items, raters, classes, options);
  Draws draws(options.seed);
  MaceFit best;
  const int restarts = options.start ? 1 : options.restarts;
  for (int i = 0; i < restarts; ++i) {
    MaceFit fit;
    fit.items = items;
    fit.raters = raters;
    fit.classes = classes;
    Em(labels, options, fit).run(options.start ? *options.start : random_start(raters, classes, draws));
    if (i == 0 || fit.log_likelihood > best.log_likelihood) best = std::move(fit);
  }
  return best;
}

}  // namespace afina::quality
