// SPDX-License-Identifier: Apache-2.0
#include "serve/model_catalog.h"

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "http/message.h"

namespace afina::serve {
namespace {

constexpr size_t kMaxLoaded = 32;

bool contains(const std::vector<AdapterEntry>& entries, const std::string& name) {
  return std::any_of(entries.begin(), entries.end(), [&](const AdapterEntry& entry) { return entry.name == name; });
}

}  // namespace

ModelCatalog::ModelCatalog(BaseEntry base, std::vector<AdapterEntry> fixed, Source source, Loader loader)
    : base_(std::move(base)), fixed_(std::move(fixed)), source_(std::move(source)), loader_(std::move(loader)) {
  std::vector<AdapterEntry> seen;
  for (const AdapterEntry& entry : fixed_) {
    if (entry.name.empty() || entry.name == base_.name || contains(seen, entry.name)) {
      throw UsageError(cat("[adapter] must have a name of its own, but got \"", entry.name, "\"."));
    }
    seen.push_back(entry);
  }
}

std::vector<AdapterEntry> ModelCatalog::known() {
  std::vector<AdapterEntry> fresh;
  bool answered = false;
  if (source_) {
    try {
      fresh = source_();
      answered = true;
    } catch (const std::exception& error) {
      log_warning("serve", "the registered adapters cannot be read now, the last list stands: ", error.what());
    }
  }
  std::lock_guard lock(mutex_);
  if (answered) registered_ = std::move(fresh);
  std::vector<AdapterEntry> all = fixed_;
  for (const AdapterEntry& entry : registered_) {
    if (entry.name != base_.name && !contains(all, entry.name)) all.push_back(entry);
  }
  return all;
}

std::vector<AdapterEntry> ModelCatalog::adapters() {
  std::vector<AdapterEntry> all = known();
  std::erase_if(all, [&](const AdapterEntry& e) { return !e.base_sha256.empty() && e.base_sha256 != base_.sha256; });
  return all;
}

ServedModel ModelCatalog::resolve(const std::string& name) {
  if (name == base_.name) return {name, {}, nullptr};
  {
    std::lock_guard lock(mutex_);
    const auto found = loaded_.find(name);
    if (found != loaded_.end()) {
      found->second.last_use = ++uses_;
      return found->second.model;
    }
  }
  for (const AdapterEntry& entry : known()) {
    if (entry.name == name) return load(entry);
  }
  throw http::HttpError(ErrorKind::not_found, 404,
                        cat("[model] must be the base \"", base_.name, "\" or one of its adapters, but got \"",
                            name.substr(0, 200), "\"."),
                        "model_not_found", 0, "model");
}

ServedModel ModelCatalog::load(const AdapterEntry& entry) {
  if (!entry.base_sha256.empty() && entry.base_sha256 != base_.sha256) {
    throw http::HttpError(ErrorKind::conflict, 409,
                          cat("[model] must be an adapter of \"", base_.name, "\", but \"", entry.name,
                              "\" was trained on another base."),
                          "wrong_base_model", 0, "model");
  }
  ServedModel model{entry.name, entry, loader_(entry)};
  std::lock_guard lock(mutex_);
  if (loaded_.size() >= kMaxLoaded) {
    const auto oldest = std::min_element(loaded_.begin(), loaded_.end(), [](const auto& a, const auto& b) {
      return a.second.last_use < b.second.last_use;
    });
    loaded_.erase(oldest);
  }
  loaded_[entry.name] = {model, ++uses_};
  return model;
}

}  // namespace afina::serve
