// SPDX-License-Identifier: Apache-2.0
#include "quality/ratings.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <tuple>

#include "base/error.h"
#include "quality/special_functions.h"

namespace afina::quality {
namespace {

struct Group {
  uint32_t left, right;
  Winner winner;
  bool sided;
  double weight;  // of one vote
  double count;
};

// A sparse row of the design: d = x·β with at most three entries, and θ.
struct Layout {
  size_t models;
  bool position, tied;
  size_t size() const { return models + (position ? 1 : 0) + (tied ? 1 : 0); }
  size_t position_at() const { return models; }
  size_t theta_at() const { return models + (position ? 1 : 0); }
};

void check(std::span<const Battle> battles, uint32_t models, const RatingOptions& options) {
  if (battles.empty()) throw DataError("[quality.ratings] must have at least one battle, but got none.");
  if (!(options.ridge >= 0) || !(options.fallback_ridge > 0) || !(options.pair_weight_floor >= 0)) {
    throw UsageError(
        cat("[quality.ratings] must have ridges of 0 or more, a positive fallback and a floor of 0 or "
            "more, but got ",
            options.ridge, ", ", options.fallback_ridge, " and ", options.pair_weight_floor, "."));
  }
  for (const auto& b : battles) {
    const bool known = b.winner == Winner::left || b.winner == Winner::right || b.winner == Winner::tie;
    if (b.left >= models || b.right >= models || b.left == b.right || b.count < 1 || !known) {
      throw DataError(cat("[quality.ratings] a battle must be between two of ", models,
                          " models with a known outcome and a count of 1 or more, but got ", b.left, " and ", b.right,
                          ", outcome ", static_cast<int>(b.winner), ", count ", b.count, "."));
    }
  }
}

std::map<std::pair<uint32_t, uint32_t>, double> pair_weights(std::span<const Battle> battles, double floor) {
  std::map<std::pair<uint32_t, uint32_t>, double> counts;
  double votes = 0, sum = 0;
  for (const auto& b : battles) {
    counts[std::minmax(b.left, b.right)] += static_cast<double>(b.count);
    votes += static_cast<double>(b.count);
  }
  for (auto& [pair, count] : counts) {
    const double weight = floor > 0 ? 1 / std::max(count, floor) : 1.0;
    sum += weight * count;
    count = weight;
  }
  for (auto& [pair, weight] : counts)
    weight *= votes / sum;
  return counts;
}

class Fitter {
 public:
  Fitter(std::span<const Battle> battles, uint32_t models, const RatingOptions& options)
      : battles_(battles), ties_(options.ties), weights_(pair_weights(battles, options.pair_weight_floor)) {
    std::map<std::tuple<uint32_t, uint32_t, Winner, bool>, double> counts;
    bool any_tie = false;
    for (const auto& b : battles) {
      counts[{b.left, b.right, b.winner, b.sided}] += static_cast<double>(b.count);
      any_tie |= b.winner == Winner::tie;
    }
    for (const auto& [key, count] : counts) {
      const auto& [left, right, winner, sided] = key;
      sided_ |= sided;
      groups_.push_back({left, right, winner, sided, weights_.at(std::minmax(left, right)), count});
    }
    // Without ties ν lies on its boundary, where both models are Bradley–Terry.
    if (!any_tie) ties_ = TieModel::half_wins;
    layout_ = {models, options.position && sided_, ties_ != TieModel::half_wins};
    ridge_ = options.ridge;
    unbounded_ = !strongly_connected(battles, models);
    if (ridge_ == 0 && unbounded_) ridge_ = options.fallback_ridge;
  }

  RatingFit fit(const RatingOptions& options) {
    RatingFit out;
    start(out);
    // A side or a tie that always happens has no finite coefficient, however well the models are connected; and where
    // no two models ever changed sides, strength and side are one.
    const bool ran_away = std::any_of(beta_.begin(), beta_.end(), [](double b) { return std::fabs(b) > 12; });
    if (!unbounded_ && (ran_away || singular_ || !out.converged)) {
      unbounded_ = true;
      ridge_ = std::max(ridge_, options.fallback_ridge);
      start(out);
    }
    finish(out, options);
    return out;
  }

 private:
  void start(RatingFit& out) {
    beta_.assign(layout_.size(), 0.0);
    if (layout_.tied) beta_[layout_.theta_at()] = ties_ == TieModel::davidson ? 0.0 : 0.5;
    newton(out);
  }
  double difference(uint32_t left, uint32_t right, bool sided, const std::vector<double>& beta) const {
    return beta[left] - beta[right] + (layout_.position && sided ? beta[layout_.position_at()] : 0.0);
  }
  double theta(const std::vector<double>& beta) const { return layout_.tied ? beta[layout_.theta_at()] : 0.0; }

  double objective(const std::vector<double>& beta) const {
    if (ties_ == TieModel::rao_kupper && theta(beta) <= 0) return INFINITY;
    double sum = 0;
    for (const auto& g : groups_) {
      sum += g.weight * g.count *
             local_loss(ties_, g.winner, difference(g.left, g.right, g.sided, beta), theta(beta)).loss;
    }
    return sum + penalty(beta);
  }
  // Everything where the data alone do not bound the estimate, else ξ only.
  std::vector<size_t> ridged() const {
    std::vector<size_t> out(unbounded_ ? layout_.size() : layout_.models);
    std::iota(out.begin(), out.end(), size_t{0});
    return out;
  }
  double penalty(const std::vector<double>& beta) const {
    double squares = 0;
    for (const size_t i : ridged())
      squares += beta[i] * beta[i];
    return ridge_ / 2 * squares;
  }

  // The gradient of one vote at x: entries of left, right, c, θ.
  template <typename Shown>
  void add_gradient(const LocalLoss& l, const Shown& shown, double times, std::vector<double>& g) const {
    g[shown.left] += times * l.by_d;
    g[shown.right] -= times * l.by_d;
    if (layout_.position && shown.sided) g[layout_.position_at()] += times * l.by_d;
    if (layout_.tied) g[layout_.theta_at()] += times * l.by_theta;
  }

  SquareMatrix hessian(std::vector<double>& gradient) const {
    SquareMatrix h(layout_.size());
    gradient.assign(layout_.size(), 0.0);
    for (const auto& g : groups_) {
      const LocalLoss l = local_loss(ties_, g.winner, difference(g.left, g.right, g.sided, beta_), theta(beta_));
      const double w = g.weight * g.count;
      add_gradient(l, g, w, gradient);
      std::vector<std::pair<size_t, double>> x{{g.left, 1.0}, {g.right, -1.0}};
      if (layout_.position && g.sided) x.emplace_back(layout_.position_at(), 1.0);
      for (const auto& [i, a] : x) {
        for (const auto& [j, b] : x)
          h.at(i, j) += w * l.by_d_d * a * b;
        if (!layout_.tied) continue;
        h.at(i, layout_.theta_at()) += w * l.by_d_theta * a;
        h.at(layout_.theta_at(), i) += w * l.by_d_theta * a;
      }
      if (layout_.tied) h.at(layout_.theta_at(), layout_.theta_at()) += w * l.by_theta_theta;
    }
    for (const size_t i : ridged()) {
      gradient[i] += ridge_ * beta_[i];
      h.at(i, i) += ridge_;
    }
    return h;
  }

  // ξ is free up to a constant; adding 11ᵀ to H fixes Σξ = 0 and leaves every other direction as it is.
  SquareMatrix solver(const SquareMatrix& h) const {
    SquareMatrix gauged = h;
    double scale = 0;
    for (size_t m = 0; m < layout_.models; ++m)
      scale = std::max(scale, h.at(m, m));
    for (size_t i = 0; i < layout_.models; ++i) {
      for (size_t j = 0; j < layout_.models; ++j)
        gauged.at(i, j) += std::max(scale, 1e-12) / static_cast<double>(layout_.models);
    }
    for (double jitter = 0;; jitter = jitter == 0 ? 1e-12 : jitter * 100) {
      for (size_t i = 0; i < gauged.size; ++i)
        gauged.at(i, i) += jitter * std::max(scale, 1.0);
      if (auto inverted = inverse(gauged)) return *inverted;
      singular_ = true;
      AFINA_CHECK(jitter < 1, "the Hessian of ", layout_.models, " models has no inverse");
    }
  }

  void newton(RatingFit& out) {
    std::vector<double> gradient, next(beta_.size());
    double now = objective(beta_);
    out.converged = false;
    for (out.iterations = 1; out.iterations <= 100; ++out.iterations) {
      const auto step = product(solver(hessian(gradient)), gradient);
      double slope = 0, largest = 0;
      for (size_t i = 0; i < step.size(); ++i) {
        slope += step[i] * gradient[i];
        largest = std::max(largest, std::fabs(step[i]));
      }
      if (largest < 1e-10 || slope < 1e-20 * (1 + std::fabs(now))) {
        out.converged = true;
        break;
      }
      double length = 1, then = INFINITY;
      for (; length > 1e-10; length /= 2) {
        for (size_t i = 0; i < next.size(); ++i)
          next[i] = beta_[i] - length * step[i];
        then = objective(next);
        if (then <= now - 1e-4 * length * slope || (length == 1 && then <= now && slope < 1e-12)) break;
      }
      if (!(then <= now)) {  // no better point in double precision
        out.converged = largest < 1e-6;
        break;
      }
      beta_ = next;
      now = then;
    }
  }

  // G = Σ_a g_a g_aᵀ over the votes of each annotator, or Σ g gᵀ over votes.
  SquareMatrix meat(bool clustered, int64_t& annotators) const {
    std::vector<uint32_t> order(battles_.size());
    std::iota(order.begin(), order.end(), 0U);
    std::sort(order.begin(), order.end(),
              [&](uint32_t a, uint32_t b) { return battles_[a].annotator < battles_[b].annotator; });
    SquareMatrix g(layout_.size());
    std::vector<double> score(layout_.size());
    std::vector<size_t> touched;
    annotators = 0;
    const auto flush = [&](double times) {
      std::sort(touched.begin(), touched.end());
      touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
      for (const size_t i : touched) {
        for (const size_t j : touched)
          g.at(i, j) += times * score[i] * score[j];
      }
      for (const size_t i : touched)
        score[i] = 0;
      touched.clear();
    };
    for (size_t at = 0; at < order.size(); ++at) {
      const Battle& b = battles_[order[at]];
      const bool last = at + 1 == order.size() || battles_[order[at + 1]].annotator != b.annotator;
      const LocalLoss l = local_loss(ties_, b.winner, difference(b.left, b.right, b.sided, beta_), theta(beta_));
      const double weight = weights_.at(std::minmax(b.left, b.right)), count = static_cast<double>(b.count);
      add_gradient(l, b, clustered ? weight * count : weight, score);
      touched.insert(touched.end(), {b.left, b.right});
      if (layout_.position && b.sided) touched.push_back(layout_.position_at());
      if (layout_.tied) touched.push_back(layout_.theta_at());
      if (!clustered) flush(count);
      if (last && clustered) flush(1.0);
      annotators += last ? 1 : 0;
    }
    return g;
  }

  void finish(RatingFit& out, const RatingOptions& options) {
    std::vector<double> gradient;
    const SquareMatrix bread = solver(hessian(gradient));
    SquareMatrix g = meat(options.clustered, out.annotators);
    // Few people: their scatter underestimates itself by (A−1)/A.
    if (options.clustered && out.annotators > 1) {
      const auto a = static_cast<double>(out.annotators);
      for (double& value : g.values)
        value *= a / (a - 1);
    }
    out.covariance = product(product(bread, g), bread);
    out.loss = objective(beta_) - penalty(beta_);
    double mean = 0;
    for (size_t m = 0; m < layout_.models; ++m)
      mean += beta_[m] / static_cast<double>(layout_.models);
    for (size_t m = 0; m < layout_.models; ++m)
      out.strength.push_back(beta_[m] - mean);
    if (layout_.position) {
      out.position = beta_[layout_.position_at()];
      out.position_error = std::sqrt(std::max(0.0, out.covariance.at(layout_.position_at(), layout_.position_at())));
    }
    if (options.ties == TieModel::rao_kupper) out.nu = layout_.tied ? std::exp(theta(beta_)) : 1;
    if (options.ties == TieModel::davidson) out.nu = layout_.tied ? std::exp(theta(beta_)) / 2 : 0;
    out.ridge = ridge_;
    for (const auto& b : battles_)
      out.votes += b.count;
  }

  std::span<const Battle> battles_;
  TieModel ties_;
  std::map<std::pair<uint32_t, uint32_t>, double> weights_;
  std::vector<Group> groups_;
  Layout layout_{};
  bool unbounded_ = false, sided_ = false;
  mutable bool singular_ = false;
  double ridge_ = 0;
  std::vector<double> beta_;
};

// Every model is reached from model 0 along `edges`.
bool reaches_all(const std::vector<std::set<uint32_t>>& edges) {
  std::vector<bool> seen(edges.size());
  std::vector<uint32_t> open{0};
  seen[0] = true;
  size_t found = 1;
  while (!open.empty()) {
    const uint32_t at = open.back();
    open.pop_back();
    for (const uint32_t next : edges[at]) {
      if (seen[next]) continue;
      seen[next] = true;
      ++found;
      open.push_back(next);
    }
  }
  return found == edges.size();
}

}  // namespace

double RatingFit::error(size_t model) const {
  return std::sqrt(std::max(0.0, covariance.at(model, model)));
}

RatingFit fit_ratings(std::span<const Battle> battles, uint32_t models, const RatingOptions& options) {
  check(battles, models, options);
  RatingFit fit = Fitter(battles, models, options).fit(options);
  fit.connected = strongly_connected(battles, models);
  return fit;
}

double rating_of(double strength) {
  return 1000 + strength * 400 / std::log(10.0);
}

std::vector<Rating> published_ratings(const RatingFit& fit, double confidence) {
  const double z = normal_quantile_two_sided(confidence);
  std::vector<Rating> out;
  for (size_t m = 0; m < fit.strength.size(); ++m) {
    const double half = z * fit.error(m);
    out.push_back(
        {rating_of(fit.strength[m]), rating_of(fit.strength[m] - half), rating_of(fit.strength[m] + half), 1});
  }
  for (auto& mine : out) {
    for (const auto& other : out)
      mine.rank += other.low > mine.high ? 1 : 0;
  }
  return out;
}

bool strongly_connected(std::span<const Battle> battles, uint32_t models) {
  std::vector<std::set<uint32_t>> beats(models), beaten(models);
  for (const auto& b : battles) {
    if (b.winner != Winner::right) {
      beats[b.left].insert(b.right);
      beaten[b.right].insert(b.left);
    }
    if (b.winner != Winner::left) {
      beats[b.right].insert(b.left);
      beaten[b.left].insert(b.right);
    }
  }
  return models > 0 && reaches_all(beats) && reaches_all(beaten);
}

}  // namespace afina::quality
