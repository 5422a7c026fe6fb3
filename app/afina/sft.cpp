// SPDX-License-Identifier: Apache-2.0
// `afina sft`: a LoRA adapter by supervised fine-tuning.
#include "app/afina/train_common.h"

namespace afina::app {

void add_sft(CLI::App& app, Context& context) {
  add_train_verb(app, context, finetune::RunKind::sft, "Train an adapter on answers to imitate (SFT)");
}

}  // namespace afina::app
