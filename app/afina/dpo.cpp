// SPDX-License-Identifier: Apache-2.0
// `afina dpo`: a LoRA adapter by direct preference optimisation.
#include "app/afina/train_common.h"

namespace afina::app {

void add_dpo(CLI::App& app, Context& context) {
  add_train_verb(app, context, finetune::RunKind::dpo,
                 "Train an adapter on pairs of answers and what people said of them (DPO)");
}

}  // namespace afina::app
