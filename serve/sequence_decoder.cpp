// SPDX-License-Identifier: Apache-2.0
#include "serve/sequence_decoder.h"

namespace afina::serve {
namespace {

class GeneratorDecoder final : public SequenceDecoder {
 public:
  GeneratorDecoder(std::shared_ptr<const model::Model> model, const model::GeneratorOptions& options)
      : generator_(std::move(model), options) {}
  model::SequenceId add(std::vector<int> prompt_ids, const model::SamplingParams& params,
                        std::shared_ptr<const model::Adapter> adapter) override {
    return generator_.add(std::move(prompt_ids), params, std::move(adapter));
  }
  std::vector<model::TokenEvent> step() override { return generator_.step(); }
  bool remove(model::SequenceId sequence) override { return generator_.remove(sequence); }

 private:
  model::Generator generator_;
};

}  // namespace

std::unique_ptr<SequenceDecoder> make_sequence_decoder(std::shared_ptr<const model::Model> model,
                                                       const model::GeneratorOptions& options) {
  return std::make_unique<GeneratorDecoder>(std::move(model), options);
}

}  // namespace afina::serve
