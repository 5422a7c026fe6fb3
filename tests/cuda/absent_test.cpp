// SPDX-License-Identifier: Apache-2.0
// A build without CUDA says so, before it looks for a GPU.
#include <gtest/gtest.h>

#include "base/error.h"
#include "model/compute.h"
#include "model/model.h"

namespace afina::model {
namespace {

ModelConfig smallest() {
  ModelConfig c;
  c.vocab_size = 8;
  c.hidden = c.ffn = 8;
  c.layers = c.heads = c.kv_heads = 1;
  c.head_dim = 8;
  c.tied_head = true;
  return c;
}

TEST(WithoutCuda, AModelForAGpuIsRefusedWithTheWayToGetOne) {
  LoadOptions options;
  options.device = at::Device(at::kCUDA, 0);
  try {
    random_model(smallest(), 1, options);
    FAIL() << "nothing was thrown";
  } catch (const ModelError& error) {
    EXPECT_STREQ(error.what(),
                 "[model.device] must be cpu in this build, but got cuda:0. Hint: configure with -DAFINA_CUDA=ON on a "
                 "machine with an NVIDIA GPU (docs/cuda.md)");
  }
  EXPECT_THROW(make_compute(smallest(), options.device), ModelError);
}

}  // namespace
}  // namespace afina::model
