// SPDX-License-Identifier: Apache-2.0
#include "model/shapes.h"

#include <ATen/ATen.h>

#include "base/error.h"

namespace afina::model {

void check_shape(const at::Tensor& tensor, std::initializer_list<int64_t> shape, const char* name) {
  bool fits = tensor.defined() && tensor.scalar_type() == at::kFloat && tensor.device().is_cpu() &&
              tensor.dim() == static_cast<int64_t>(shape.size()) &&
              (tensor.dim() == 0 || tensor.stride(-1) == 1 || tensor.size(-1) == 1);
  for (size_t i = 0; fits && i < shape.size(); ++i) {
    const int64_t want = shape.begin()[i];
    fits = want < 0 || tensor.size(static_cast<int64_t>(i)) == want;
  }
  AFINA_CHECK(fits, "[model] ", name, " must be fp32 ", at::IntArrayRef(shape), " with unit stride, but is ",
              tensor.defined() ? tensor.sizes() : at::IntArrayRef());
}

}  // namespace afina::model
