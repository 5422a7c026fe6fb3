// SPDX-License-Identifier: Apache-2.0
// What an adapter touches and how strongly: PEFT's LoraConfig (huggingface/peft 0.21, tuners/lora/config.py) as plain
// data, and the sizes of a decoder it is laid over. No LibTorch; reading and writing JSON is peft_config.h, finding the
// layers is targets.h.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace afina::lora {

/// The seven linear layers of a decoder layer, in the order parameters are laid out.
enum class Module { q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj };
inline constexpr int kModules = 7;
/// PEFT's and Hugging Face's names: "q_proj" …
std::string_view to_string(Module module);
/// "self_attn.q_proj", "mlp.gate_proj": the path within a layer.
std::string_view module_path(Module module);

/// Where training starts (PEFT's init_lora_weights).
/// kaiming (true): A ~ U(−1/√in, 1/√in), B = 0. gaussian: A ~ N(0, (1/r)²), B = 0. random (false): as kaiming and
/// B ~ U(−1/√r, 1/√r), so the model changes at once. pissa ("pissa", "pissa_niter_N", arXiv:2404.02948): the r largest
/// singular directions of W. zero: A = B = 0, an adapter that changes nothing and cannot learn (both gradients are 0);
/// PEFT has no such word, so files say true.
enum class LoraInit { kaiming, gaussian, random, pissa, zero };
std::string_view to_string(LoraInit init);
bool from_string(std::string_view word, LoraInit& out);

/// Hu et al. 2021, arXiv:2106.09685: y = Wx + scale·B(A x), scale = lora_alpha/r; rsLoRA (arXiv:2312.03732) divides by
/// √r; DoRA (arXiv:2402.09353) also learns the length of each row of W + scale·BA.
struct LoraConfig {
  int r = 8;                  ///< rank, 1 to 4096
  double lora_alpha = 8;      ///< above 0
  double lora_dropout = 0.0;  ///< share of inputs dropped in training, [0, 1)
  bool use_rslora = false;
  std::vector<std::string> target_modules;  ///< names, dotted paths or their ends; or {"all-linear"}
  std::string target_regex;                 ///< instead of target_modules: a Python regex a whole path must match
  std::vector<std::string> exclude_modules;
  std::string exclude_regex;
  /// Regex of the end of a path -> its own r or alpha; the first that matches counts.
  std::vector<std::pair<std::string, int>> rank_pattern;
  std::vector<std::pair<std::string, double>> alpha_pattern;
  bool use_dora = false;
  bool lora_bias = false;                    ///< B has a bias, scaled as B is
  std::vector<int> layers_to_transform;      ///< empty: all
  std::vector<std::string> layers_pattern;   ///< names of the list of layers; empty: any
  std::vector<std::string> modules_to_save;  ///< modules whose whole weight the adapter replaces
  /// A reward model: also trains transformers' `score` [1, hidden], its head without bias (PEFT: task_type SEQ_CLS with
  /// score among modules_to_save; it is not listed here in modules_to_save).
  bool score_head = false;
  bool ensure_weight_tying = false;  ///< what is done to one end of a tied model is done to the other
  LoraInit init_lora_weights = LoraInit::kaiming;
  int pissa_iterations = 0;  ///< N of "pissa_niter_N"; 0: exact SVD

  double scale() const { return scale_of(r, lora_alpha); }
  double scale_of(int rank, double alpha) const;  ///< alpha/rank or alpha/√rank
};

/// Numbers out of range and combinations that PEFT refuses. Throws UsageError "[lora.config] …".
void validate(const LoraConfig& config);

/// Sizes an adapter needs to know of a decoder.
struct DecoderShape {
  int64_t layers = 0, hidden = 0, q_size = 0, kv_size = 0, ffn = 0;
  int64_t vocab = 0;       ///< 0: unknown; adapters of head or embedding are then refused
  bool tied_head = false;  ///< head and embedding are one matrix
  int64_t in_features(Module module) const;
  int64_t out_features(Module module) const;
  /// First output column of the module within its site's fused output.
  int64_t output_offset(Module module) const;
};

}  // namespace afina::lora
