// SPDX-License-Identifier: Apache-2.0
#include "serve/local_model.h"

#include "lora/gguf_adapter.h"

namespace afina::serve {

LocalModel load_local_model(const std::filesystem::path& path) {
  std::filesystem::path named = path.has_filename() ? path : path.parent_path();
  if (named.extension() == ".gguf") named.replace_extension();
  return {named.filename().string(), model::load_model(path), text::load_text_stack(path)};
}

std::shared_ptr<const model::Adapter> load_adapter(const std::filesystem::path& path,
                                                   std::shared_ptr<const model::Model> weights) {
  return lora::load_adapter(path, std::move(weights));
}

}  // namespace afina::serve
