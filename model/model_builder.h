// SPDX-License-Identifier: Apache-2.0
// Builds a Model out of a config and a source of weights: checks every name and shape, then reads site by site.
#pragma once
#include <memory>

#include "model/model.h"
#include "model/weight_source.h"

namespace afina::model {

/// origin.storage is set from the options.
std::shared_ptr<const Model> build_model(const ModelConfig& config, const WeightSource& source,
                                         const LoadOptions& options, ModelOrigin origin);

}  // namespace afina::model
