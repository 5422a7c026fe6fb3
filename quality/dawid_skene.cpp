// SPDX-License-Identifier: Apache-2.0
#include "quality/dawid_skene.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "quality/special_functions.h"

namespace afina::quality {
namespace {

constexpr double kTiny = 1e-12;  // a cell that maximum likelihood would make impossible

void check(std::span<const Label> labels, uint32_t items, uint32_t raters, uint32_t classes,
           const DawidSkeneOptions& options) {
  if (labels.empty()) throw DataError("[quality.dawid_skene] must have at least one label, but got none.");
  if (classes < 2) throw DataError(cat("[quality.dawid_skene] must have two classes or more, but got ", classes, "."));
  if (!(options.prior >= 0) || options.max_iterations < 1 || !(options.tolerance >= 0)) {
    throw UsageError(
        "[quality.dawid_skene] must have a prior and tolerance of 0 or more and an iteration, but has not.");
  }
  for (const auto& label : labels) {
    if (label.item >= items || label.rater >= raters || label.value >= classes) {
      throw DataError(cat("[quality.dawid_skene] labels must be of ", items, " items, ", raters, " raters and ",
                          classes, " classes, but got item ", label.item, ", rater ", label.rater, ", class ",
                          label.value, "."));
    }
  }
  for (const auto& [item, value] : options.gold) {
    if (item >= items || value >= classes) {
      throw DataError(cat("[quality.dawid_skene] gold must be of ", items, " items and ", classes,
                          " classes, but got item ", item, ", class ", value, "."));
    }
  }
}

class Em {
 public:
  Em(std::span<const Label> labels, const DawidSkeneOptions& options, DawidSkeneFit& fit)
      : labels_(labels), options_(options), fit_(fit), k_(fit.classes) {
    std::vector<int> counts(fit.raters);
    for (const auto& label : labels)
      ++counts[label.rater];
    for (const int count : counts)
      one_coin_.push_back(count < options.one_coin_below);
    labelled_.assign(fit.items, false);
    for (const auto& label : labels)
      labelled_[label.item] = true;
    for (const auto& [item, value] : options.gold)
      labelled_[item] = true;
    known_ = static_cast<double>(std::count(labelled_.begin(), labelled_.end(), true));
  }

  void run() {
    start();
    m_step();
    double before = -INFINITY;
    for (fit_.iterations = 1; fit_.iterations <= options_.max_iterations; ++fit_.iterations) {
      e_step();
      m_step();
      fit_.elbo = elbo();
      if ((fit_.elbo - before) / static_cast<double>(labels_.size()) < options_.tolerance) {
        fit_.converged = true;
        break;
      }
      before = fit_.elbo;
    }
    fit_.iterations = std::min(fit_.iterations, options_.max_iterations);
  }

 private:
  double& q(size_t item, size_t value) { return fit_.posterior[item * k_ + value]; }
  double& e(size_t rater, size_t truth, size_t said) { return fit_.confusion[(rater * k_ + truth) * k_ + said]; }

  void clamp() {
    for (const auto& [item, value] : options_.gold) {
      for (size_t c = 0; c < k_; ++c)
        q(item, c) = c == value ? 1 : 0;
    }
  }

  void start() {
    fit_.posterior.assign(size_t{fit_.items} * k_, 0.0);
    for (const auto& label : labels_)
      q(label.item, label.value) += 1;
    for (size_t j = 0; j < fit_.items; ++j) {
      const auto row = fit_.posterior.begin() + static_cast<std::ptrdiff_t>(j * k_);
      const auto end = row + static_cast<std::ptrdiff_t>(k_), top = std::max_element(row, end);
      const double sum = [&] {
        double all = 0;
        for (auto at = row; at != end; ++at)
          all += *at;
        return all;
      }();
      if (sum == 0) {
        std::fill(row, end, 1 / static_cast<double>(k_));
      } else if (options_.start == StartFrom::majority) {
        const auto winner = top - row;
        std::fill(row, end, 0.0);
        *(row + winner) = 1;
      } else {
        for (auto at = row; at != end; ++at)
          *at /= sum;
      }
    }
    clamp();
  }

  void m_step() {
    // Items nobody labelled say nothing about how common a class is.
    fit_.prior.assign(k_, 0.0);
    for (size_t j = 0; j < fit_.items; ++j) {
      for (size_t c = 0; c < k_ && labelled_[j]; ++c)
        fit_.prior[c] += q(j, c) / known_;
    }
    fit_.confusion.assign(size_t{fit_.raters} * k_ * k_, 0.0);
    for (const auto& label : labels_) {
      for (size_t c = 0; c < k_; ++c)
        e(label.rater, c, label.value) += q(label.item, c);
    }
    for (size_t w = 0; w < fit_.raters; ++w)
      one_coin_[w] ? normalise_coin(w) : normalise_rows(w);
  }
  void normalise_rows(size_t w) {
    for (size_t c = 0; c < k_; ++c) {
      double sum = 0;
      for (size_t k = 0; k < k_; ++k)
        sum += e(w, c, k) += options_.prior;
      for (size_t k = 0; k < k_; ++k)
        e(w, c, k) = sum > 0 ? std::max(e(w, c, k) / sum, kTiny) : 1 / static_cast<double>(k_);
    }
  }
  // The prior is worth one row of cells: 1 right, K−1 wrong.
  void normalise_coin(size_t w) {
    const auto classes = static_cast<double>(k_);
    double right = options_.prior, all = options_.prior * classes;
    for (size_t c = 0; c < k_; ++c) {
      for (size_t k = 0; k < k_; ++k) {
        all += e(w, c, k);
        right += c == k ? e(w, c, k) : 0;
      }
    }
    const double s = std::clamp(all > 0 ? right / all : 1 / classes, kTiny, 1 - kTiny);
    for (size_t c = 0; c < k_; ++c) {
      for (size_t k = 0; k < k_; ++k)
        e(w, c, k) = c == k ? s : (1 - s) / (classes - 1);
    }
  }

  void e_step() {
    logs_.resize(fit_.confusion.size());
    std::transform(fit_.confusion.begin(), fit_.confusion.end(), logs_.begin(), [](double p) { return std::log(p); });
    for (size_t j = 0; j < fit_.items; ++j) {
      for (size_t c = 0; c < k_; ++c)
        q(j, c) = std::log(std::max(fit_.prior[c], kTiny));
    }
    for (const auto& label : labels_) {
      for (size_t c = 0; c < k_; ++c)
        q(label.item, c) += logs_[(label.rater * k_ + c) * k_ + label.value];
    }
    for (size_t j = 0; j < fit_.items; ++j) {
      double top = -INFINITY, sum = 0;
      for (size_t c = 0; c < k_; ++c)
        top = std::max(top, q(j, c));
      for (size_t c = 0; c < k_; ++c)
        sum += q(j, c) = std::exp(q(j, c) - top);
      for (size_t c = 0; c < k_; ++c)
        q(j, c) /= sum;
    }
    clamp();
  }

  double elbo() {
    double sum = 0;
    for (size_t j = 0; j < fit_.items; ++j) {
      for (size_t c = 0; c < k_ && labelled_[j]; ++c) {
        const double share = q(j, c);
        if (share > 0) sum += share * (std::log(std::max(fit_.prior[c], kTiny)) - std::log(share));
      }
    }
    for (const auto& label : labels_) {
      for (size_t c = 0; c < k_; ++c)
        sum += q(label.item, c) * std::log(e(label.rater, c, label.value));
    }
    for (size_t w = 0; w < fit_.raters; ++w) {
      // One coin's prior is worth one row; every row has the same cells.
      for (size_t cell = 0; cell < (one_coin_[w] ? k_ : k_ * k_); ++cell)
        sum += options_.prior * std::log(fit_.confusion[w * k_ * k_ + cell]);
    }
    return sum;
  }

  std::span<const Label> labels_;
  const DawidSkeneOptions& options_;
  DawidSkeneFit& fit_;
  size_t k_;
  std::vector<bool> one_coin_, labelled_;
  double known_ = 0;
  std::vector<double> logs_;
};

}  // namespace

DawidSkeneFit fit_dawid_skene(std::span<const Label> labels, uint32_t items, uint32_t raters, uint32_t classes,
                              const DawidSkeneOptions& options) {
  check(labels, items, raters, classes, options);
  DawidSkeneFit fit;
  fit.items = items;
  fit.raters = raters;
  fit.classes = classes;
  Em(labels, options, fit).run();
  return fit;
}

std::vector<Reliability> reliabilities(const DawidSkeneFit& fit, std::span<const Label> labels) {
  std::vector<Reliability> out(fit.raters);
  for (const auto& label : labels) {
    const double right = fit.q(label.item, label.value);
    out[label.rater].right += right;
    out[label.rater].wrong += 1 - right;
  }
  for (auto& one : out) {
    const double a = 1 + one.right, b = 1 + one.wrong;
    one.mean = a / (a + b);
    one.interval = {beta_quantile(a, b, 0.025), beta_quantile(a, b, 0.975)};
  }
  return out;
}

double label_weight(const Reliability& reliability, uint32_t classes) {
  const double chance = 1.0 / std::max(classes, 2U);
  return std::max(0.0, (reliability.mean - chance) / (1 - chance));
}

}  // namespace afina::quality
