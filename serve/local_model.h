// SPDX-License-Identifier: Apache-2.0
// A model file ready to answer: weights, tokenizer, template and adapters that fit them.
#pragma once
#include <filesystem>
#include <memory>
#include <string>

#include "model/adapter.h"
#include "model/model.h"
#include "text/text_stack.h"

namespace afina::serve {

struct LocalModel {
  std::string name;  ///< the file's or folder's name without .gguf
  std::shared_ptr<const model::Model> weights;
  text::TextStack text;
};

/// Throws NotFound, DataError or ModelError naming the file.
LocalModel load_local_model(const std::filesystem::path& path);

/// A PEFT folder or a GGUF adapter as an adapter of these weights. Throws NotFound or ModelError naming the folder and
/// what does not fit.
std::shared_ptr<const model::Adapter> load_adapter(const std::filesystem::path& path,
                                                   std::shared_ptr<const model::Model> weights);

}  // namespace afina::serve
