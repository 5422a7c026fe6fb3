// SPDX-License-Identifier: Apache-2.0
// What the scheduler needs of a generator: the seam that lets its tests run without a model.
#pragma once
#include <memory>
#include <vector>

#include "model/generator.h"

namespace afina::serve {

/// As model::Generator, whose words these are. Used by one thread.
class SequenceDecoder {
 public:
  SequenceDecoder() = default;
  SequenceDecoder(const SequenceDecoder&) = delete;
  SequenceDecoder& operator=(const SequenceDecoder&) = delete;
  virtual ~SequenceDecoder() = default;
  virtual model::SequenceId add(std::vector<int> prompt_ids, const model::SamplingParams& params,
                                std::shared_ptr<const model::Adapter> adapter) = 0;
  virtual std::vector<model::TokenEvent> step() = 0;
  virtual bool remove(model::SequenceId sequence) = 0;
};

/// A model::Generator behind the seam.
std::unique_ptr<SequenceDecoder> make_sequence_decoder(std::shared_ptr<const model::Model> model,
                                                       const model::GeneratorOptions& options);

}  // namespace afina::serve
