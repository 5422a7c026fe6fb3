// SPDX-License-Identifier: Apache-2.0
// AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101) over one flat fp32 buffer, in the order of operations of torch's
// single-tensor AdamW; and the gradient's global norm. No parameter groups: an adapter has no biases or norms to spare
// from decay.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace afina::finetune {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.0;
};

/// What a checkpoint keeps of the optimiser beside the parameters. step: updates done.
struct AdamWState {
  int64_t step = 0;
  std::vector<float> first_moment;   ///< exp_avg [P]
  std::vector<float> second_moment;  ///< exp_avg_sq [P]
};

/// Not thread-safe; works on all of ATen's threads, elementwise, so that their number does not change a bit.
class AdamW {
 public:
  AdamW(int64_t parameters, AdamWOptions options);
  /// One update with this step's rate. parameters and gradient [P].
  void step(std::span<float> parameters, std::span<const float> gradient, double learning_rate);
  const AdamWState& state() const { return state_; }
  /// Throws InternalError where a moment has another length than P.
  void restore(AdamWState state);

 private:
  AdamWOptions options_;
  AdamWState state_;
};

/// L2 norm summed in doubles in one fixed order, whatever the number of threads. NaN or infinite where an entry is.
double global_norm(std::span<const float> gradient);
/// torch.nn.utils.clip_grad_norm_: g *= min(1, max_norm / (norm + 1e-6)); max_norm <= 0 leaves the gradient alone.
void clip_gradient(std::span<float> gradient, double norm, double max_norm);

}  // namespace afina::finetune
