// SPDX-License-Identifier: Apache-2.0
// The names a server answers to: the base model and its adapters, those given at the start and those registered while
// it runs. Adapters are loaded at their first use and kept.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "model/adapter.h"

namespace afina::serve {

struct AdapterEntry {
  std::string name;         ///< as a model name
  std::string id;           ///< of the database; "" for one given by folder
  std::string path;         ///< PEFT folder
  std::string sha256;       ///< of its numbers; "" where unknown
  std::string base_sha256;  ///< of the base it was trained on; "" where unknown
  int64_t created_s = 0;    ///< Unix time
};

struct BaseEntry {
  std::string name;
  std::string sha256;  ///< model::Model::identity
  int64_t created_s = 0;
};

/// What a model name stands for.
struct ServedModel {
  std::string name;
  AdapterEntry entry;                             ///< all empty for the base
  std::shared_ptr<const model::Adapter> adapter;  ///< null for the base
};

/// Thread-safe.
class ModelCatalog {
 public:
  /// Adapters registered now; may throw: then the last answer stands.
  using Source = std::function<std::vector<AdapterEntry>()>;
  /// Reads an adapter's files; throws where they do not fit the base.
  using Loader = std::function<std::shared_ptr<const model::Adapter>(const AdapterEntry&)>;

  /// fixed adapters win over registered ones of the same name. Throws UsageError where two fixed names are equal or one
  /// is the base's.
  ModelCatalog(BaseEntry base, std::vector<AdapterEntry> fixed, Source source, Loader loader);

  const BaseEntry& base() const { return base_; }
  /// Adapters that fit this base, fixed ones first. Asks the source.
  std::vector<AdapterEntry> adapters();
  /// Throws http::HttpError 404 model_not_found for an unknown name, 409 for an adapter of another base, and what the
  /// loader throws.
  ServedModel resolve(const std::string& name);

 private:
  struct Loaded {
    ServedModel model;
    uint64_t last_use = 0;
  };
  std::vector<AdapterEntry> known();
  ServedModel load(const AdapterEntry& entry);

  const BaseEntry base_;
  const std::vector<AdapterEntry> fixed_;
  const Source source_;
  const Loader loader_;
  std::mutex mutex_;
  std::vector<AdapterEntry> registered_;
  std::map<std::string, Loaded> loaded_;
  uint64_t uses_ = 0;
};

}  // namespace afina::serve
