// SPDX-License-Identifier: Apache-2.0
#include "finetune/schedule.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>

#include "base/error.h"
#include "base/json.h"

namespace afina::finetune {
namespace {

/// Settings of one schedule by key, taken out one by one so that what is left is unknown.
class Settings {
 public:
  explicit Settings(const RunConfig& config) : schedule_(to_string(config.lr_scheduler_type)) {
    for (const auto& entry : config.lr_scheduler_kwargs) {
      const size_t equals = entry.find('=');
      if (equals == std::string::npos || equals == 0) refuse("must be entries like num_cycles=2", entry);
      if (!values_.emplace(entry.substr(0, equals), entry.substr(equals + 1)).second)
        refuse("must name each key once", entry);
    }
  }
  std::optional<std::string> word(const std::string& key) {
    known_ += cat(known_.empty() ? "" : ", ", key);
    const auto found = values_.find(key);
    if (found == values_.end()) return std::nullopt;
    std::string value = found->second;
    values_.erase(found);
    return value;
  }
  std::optional<double> number(const std::string& key, double minimum, double maximum = 1e9) {
    const auto text = word(key);
    if (!text) return std::nullopt;
    const Json json = Json::parse(*text, nullptr, false);
    if (!json.is_number() || !(json.get<double>() >= minimum) || json.get<double>() > maximum)
      refuse(cat("must have ", key, " from ", minimum, " to ", maximum), *text);
    return json.get<double>();
  }
  std::optional<int64_t> count(const std::string& key, int64_t minimum = 0) {
    const auto value = number(key, static_cast<double>(minimum));
    if (value && *value != std::floor(*value)) refuse(cat("must have a whole ", key), cat(*value));
    return value ? std::optional<int64_t>(static_cast<int64_t>(*value)) : std::nullopt;
  }
  std::string one_of(const std::string& key, const std::vector<std::string>& words) {
    const auto value = word(key);
    if (!value) return words.front();
    if (std::find(words.begin(), words.end(), *value) == words.end())
      refuse(cat("must have a known ", key, " (the first of ", words.size(), " is ", words.front(), ")"), *value);
    return *value;
  }
  void finish() {
    if (values_.empty()) return;
    refuse(cat("of ", schedule_, " must be among ", known_.empty() ? "none" : known_), values_.begin()->first);
  }
  [[noreturn]] void refuse(const std::string& must, const std::string& got) {
    throw UsageError(cat("[config] lr_scheduler_kwargs ", must, ", but got '", got, "'."));
  }

 private:
  std::string schedule_, known_;
  std::map<std::string, std::string> values_;
};

void read_plateau(Settings& settings, const RunConfig& config, ScheduleOptions& out) {
  out.factor = settings.number("factor", 0.0, 0.999999999).value_or(out.factor);
  out.patience = settings.count("patience").value_or(out.patience);
  out.threshold = settings.number("threshold", 0.0).value_or(out.threshold);
  out.threshold_is_relative = settings.one_of("threshold_mode", {"rel", "abs"}) == "rel";
  const bool less = less_is_better(config.metric_for_best_model);
  out.less_is_better = settings.one_of("mode", less ? std::vector<std::string>{"min", "max"}
                                                    : std::vector<std::string>{"max", "min"}) == "min";
  out.cooldown = settings.count("cooldown").value_or(out.cooldown);
  out.lowest_rate = settings.number("min_lr", 0.0).value_or(out.lowest_rate);
  out.eps = settings.number("eps", 0.0).value_or(out.eps);
}

void read_min_lr(Settings& settings, ScheduleOptions& out) {
  out.num_cycles = settings.number("num_cycles", 0.0).value_or(0.5);
  out.min_lr = settings.number("min_lr", 0.0);
  out.min_lr_rate = settings.number("min_lr_rate", 0.0, 1.0);
  if (out.min_lr.has_value() == out.min_lr_rate.has_value())
    settings.refuse("of cosine_with_min_lr must have either min_lr or min_lr_rate", out.min_lr ? "both" : "neither");
}

void read_stable_decay(Settings& settings, ScheduleOptions& out) {
  out.num_decay_steps = settings.count("num_decay_steps");
  out.num_stable_steps = settings.count("num_stable_steps");
  out.min_lr_ratio = settings.number("min_lr_ratio", 0.0, 1.0).value_or(0.0);
  out.warmup_type = settings.one_of("warmup_type", {"linear", "cosine", "1-sqrt"});
  out.decay_type = settings.one_of("decay_type", {"cosine", "linear", "1-sqrt"});
  out.num_cycles = settings.number("num_cycles", 0.0).value_or(0.5);
  if (!out.num_decay_steps) settings.refuse("of warmup_stable_decay must have num_decay_steps", "none");
}

/// Rise or fall over a phase, p from 0 to 1.
double phase(const std::string& type, double p, double cycles, bool rises) {
  if (type == "linear") return rises ? p : 1.0 - p;
  if (type == "cosine" && rises) return 0.5 * (1.0 - std::cos(std::numbers::pi * p));
  if (type == "cosine") return 0.5 * (1.0 + std::cos(std::numbers::pi * cycles * 2.0 * p));
  return rises ? 1.0 - std::sqrt(1.0 - p) : 1.0 - std::sqrt(p);
}

}  // namespace

ScheduleOptions schedule_options(const RunConfig& config) {
  ScheduleOptions out;
  Settings settings(config);
  switch (config.lr_scheduler_type) {
    case SchedulerType::cosine:
      out.num_cycles = settings.number("num_cycles", 0.0).value_or(0.5);
      break;
    case SchedulerType::cosine_with_restarts:
      out.num_cycles = static_cast<double>(settings.count("num_cycles", 1).value_or(1));
      break;
    case SchedulerType::polynomial:
      out.lr_end = settings.number("lr_end", 0.0).value_or(out.lr_end);
      out.power = settings.number("power", 0.0).value_or(out.power);
      break;
    case SchedulerType::inverse_sqrt:
      out.timescale = settings.count("timescale", 1);
      break;
    case SchedulerType::cosine_with_min_lr:
      read_min_lr(settings, out);
      break;
    case SchedulerType::warmup_stable_decay:
      read_stable_decay(settings, out);
      break;
    case SchedulerType::reduce_lr_on_plateau:
      read_plateau(settings, config, out);
      break;
    default:
      break;
  }
  settings.finish();
  return out;
}

bool less_is_better(const std::string& metric) {
  return metric.ends_with("loss");
}

Schedule::Schedule(SchedulerType type, double learning_rate, int64_t warmup_steps, int64_t total_steps,
                   ScheduleOptions options)
    : type_(type),
      peak_(learning_rate),
      warmup_(static_cast<double>(warmup_steps)),
      total_(static_cast<double>(total_steps)),
      options_(std::move(options)),
      plateau_rate_(learning_rate),
      best_(options_.less_is_better ? INFINITY : -INFINITY) {
  if (type_ == SchedulerType::polynomial && peak_ > 0.0 && !(options_.lr_end < peak_)) {
    throw UsageError(cat("[config] lr_scheduler_kwargs must have an lr_end below learning_rate ", peak_, ", but got ",
                         options_.lr_end, "."));
  }
}

double Schedule::factor(int64_t step) const {
  const double s = static_cast<double>(step);
  if (type_ == SchedulerType::constant) return 1.0;
  if (type_ == SchedulerType::reduce_lr_on_plateau) return peak_ > 0.0 ? plateau_rate_ / peak_ : 1.0;
  if (type_ == SchedulerType::warmup_stable_decay) return stable_decay(s);
  if (s < warmup_) return s / std::max(1.0, warmup_);
  const double span = std::max(1.0, total_ - warmup_);
  switch (type_) {
    case SchedulerType::linear:
      return std::max(0.0, (total_ - s) / span);
    case SchedulerType::cosine:
    case SchedulerType::cosine_with_restarts:
    case SchedulerType::cosine_with_min_lr:
      return cosine((s - warmup_) / span);
    case SchedulerType::polynomial: {
      if (peak_ == 0.0) return 0.0;
      const double left = s > total_ ? 0.0 : 1.0 - (s - warmup_) / span;
      return ((peak_ - options_.lr_end) * std::pow(left, options_.power) + options_.lr_end) / peak_;
    }
    case SchedulerType::inverse_sqrt: {
      const double scale = options_.timescale ? static_cast<double>(*options_.timescale)
                           : warmup_ > 0.0    ? warmup_
                                              : 10'000.0;
      return 1.0 / std::sqrt((s + scale - warmup_) / scale);
    }
    default:
      return 1.0;
  }
}

double Schedule::cosine(double progress) const {
  if (type_ == SchedulerType::cosine_with_restarts) {
    if (progress >= 1.0) return 0.0;
    return std::max(0.0, 0.5 * (1.0 + std::cos(std::numbers::pi * std::fmod(options_.num_cycles * progress, 1.0))));
  }
  const double wave = 0.5 * (1.0 + std::cos(std::numbers::pi * options_.num_cycles * 2.0 * progress));
  if (type_ == SchedulerType::cosine) return std::max(0.0, wave);
  const double floor = options_.min_lr_rate ? *options_.min_lr_rate
                       : peak_ > 0.0        ? options_.min_lr.value_or(0.0) / peak_
                                            : 0.0;
  return std::max(0.0, wave * (1.0 - floor) + floor);
}

double Schedule::stable_decay(double s) const {
  const double low = options_.min_lr_ratio;
  const auto decay = static_cast<double>(options_.num_decay_steps.value_or(0));
  const double stable =
      options_.num_stable_steps ? static_cast<double>(*options_.num_stable_steps) : total_ - warmup_ - decay;
  if (s < warmup_)
    return std::max(0.0, phase(options_.warmup_type, s / std::max(1.0, warmup_), 0.5, true) * (1.0 - low) + low);
  if (s < warmup_ + stable) return 1.0;
  if (s >= warmup_ + stable + decay) return low;
  const double progress = (s - warmup_ - stable) / std::max(1.0, decay);
  return std::max(0.0, phase(options_.decay_type, progress, options_.num_cycles, false) * (1.0 - low) + low);
}

void Schedule::evaluated(double value) {
  if (!watches_evaluation()) return;
  const double sign = options_.less_is_better ? 1.0 : -1.0;
  // torch's bar: best·(1 ∓ threshold) or best ∓ threshold; anything is better than nothing.
  const double bar = std::isinf(best_)                ? best_
                     : options_.threshold_is_relative ? best_ * (1.0 - sign * options_.threshold)
                                                      : best_ - sign * options_.threshold;
  if (sign * value < sign * bar) {
    best_ = value;
    bad_evaluations_ = 0;
  } else {
    ++bad_evaluations_;
  }
  if (cooling_ > 0) {
    --cooling_;
    bad_evaluations_ = 0;
  }
  if (bad_evaluations_ <= options_.patience) return;
  const double cut = std::max(plateau_rate_ * options_.factor, options_.lowest_rate);
  if (plateau_rate_ - cut > options_.eps) plateau_rate_ = cut;
  cooling_ = options_.cooldown;
  bad_evaluations_ = 0;
}

std::vector<double> Schedule::state() const {
  if (!watches_evaluation()) return {};
  return {plateau_rate_, best_, static_cast<double>(bad_evaluations_), static_cast<double>(cooling_)};
}

void Schedule::restore(std::span<const double> state) {
  if (state.size() != this->state().size()) {
    throw DataError(
        cat("[finetune.schedule] must restore ", this->state().size(), " numbers, but got ", state.size(), "."));
  }
  if (state.empty()) return;
  plateau_rate_ = state[0];
  best_ = state[1];
  bad_evaluations_ = static_cast<int64_t>(state[2]);
  cooling_ = static_cast<int64_t>(state[3]);
}

int64_t steps_per_epoch(int64_t micro_batches, int64_t gradient_accumulation_steps) {
  return std::max<int64_t>(1, (micro_batches + gradient_accumulation_steps - 1) / gradient_accumulation_steps);
}

int64_t total_steps(const RunConfig& config, int64_t steps_an_epoch) {
  if (config.max_steps > 0) return config.max_steps;
  return static_cast<int64_t>(std::ceil(config.num_train_epochs * static_cast<double>(steps_an_epoch)));
}

int64_t warmup_steps(const RunConfig& config, int64_t total) {
  if (config.warmup_steps > 0) return config.warmup_steps;
  return static_cast<int64_t>(std::ceil(config.warmup_ratio * static_cast<double>(total)));
}

}  // namespace afina::finetune
