// SPDX-License-Identifier: Apache-2.0
// Decoding of many sequences together over KV caches (continuous batching): sequences join and leave between steps,
// each with its own sampling parameters, random stream, end tokens and adapter. Knows ids only: text and templates
// belong to text/.
#pragma once
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "model/adapter.h"
#include "model/model.h"

namespace afina::model {

struct SamplingParams {
  int max_new_tokens = 256;   ///< 1 or more; cut to what the context leaves
  double temperature = 1.0;   ///< 0 = greedy; 0..10
  double top_p = 1.0;         ///< (0, 1]: smallest set of tokens with at least this mass
  int top_k = 0;              ///< 0 = all
  uint64_t seed = 0;          ///< the stream of random numbers is a function of (seed, index of the new token) alone
  std::vector<int> stop_ids;  ///< generation ends with, and reports, the first of these
  /// Off a token's logit before the choice, -2..2: times its occurrences among the new tokens, and once where it
  /// occurs among them (OpenAI's formula; the prompt does not count).
  double frequency_penalty = 0, presence_penalty = 0;
  std::vector<std::pair<int, double>> logit_bias;  ///< id and what is added to its logit before the choice, -100..100
  int top_logprobs = 0;                            ///< most probable tokens to tell with each token; 0..20
  bool prompt_logprobs = false;                    ///< tell them of the prompt's tokens too, in TokenEvent::prompt
};

using SequenceId = uint64_t;

enum class FinishReason { none, stop, length };

/// How probable a token was.
struct TokenScore {
  double logprob = 0;  ///< nats, under the model's own distribution (temperature 1, nothing cut)
  /// The top_logprobs most probable tokens in its place and their nats under the same, best first.
  std::vector<std::pair<int, double>> top = {};
};

/// One new token of one sequence.
struct TokenEvent {
  SequenceId sequence = 0;
  int token = 0;
  double logprob = 0;                        ///< nats, under the model's own distribution (temperature 1, nothing cut)
  FinishReason finish = FinishReason::none;  ///< not none: the sequence has left the generator
  std::vector<std::pair<int, double>> top = {};  ///< as TokenScore::top
  /// With prompt_logprobs, in the sequence's first event: of the prompt's tokens from the second on.
  std::vector<TokenScore> prompt = {};
};

struct GeneratorOptions {
  int max_sequences = 64;           ///< add() beyond this is a Conflict: the caller queues
  int64_t max_context = 0;          ///< 0 = the model's (or its sliding window); else smaller, tokens
  int64_t max_prefill_rows = 2048;  ///< prompts that join one step, rows; a longer prompt joins alone
};

/// Not thread-safe: one thread adds, steps and removes. Greedy results and, for one build and thread count, sampled
/// ones do not depend on the other sequences: rows of frozen products and of attention are computed independently of
/// their batch mates (an adapter may differ in last bits with the number of rows that share it).
class Generator {
 public:
  explicit Generator(std::shared_ptr<const Model> model, GeneratorOptions options = {});
  ~Generator();
  Generator(const Generator&) = delete;
  Generator& operator=(const Generator&) = delete;

  /// Joins at the next step. adapter null = bare base; it is kept alive while the sequence lives.
  /// Throws UsageError for an empty prompt, ids outside the vocabulary, parameters outside their ranges or a prompt
  /// that leaves no room for one token; Conflict when full; ModelError where its cache does not fit in memory.
  SequenceId add(std::vector<int> prompt_ids, const SamplingParams& params,
                 std::shared_ptr<const Adapter> adapter = nullptr);
  /// Runs waiting prompts and advances every active sequence by one token; events in the order of joining. Empty when
  /// idle.
  std::vector<TokenEvent> step();
  /// Drops a sequence and frees its cache. False where it is unknown or has finished.
  bool remove(SequenceId sequence);
  /// Sequences waiting or active.
  int size() const;
  int64_t context_limit() const;
  /// Bytes held by KV caches and work buffers now.
  int64_t cache_bytes() const;
  const Model& model() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct Generated {
  std::vector<int> ids;          ///< new tokens, the end token included
  std::vector<double> logprobs;  ///< one each
  FinishReason finish = FinishReason::none;
};

/// One prompt to its end.
Generated generate(std::shared_ptr<const Model> model, std::vector<int> prompt_ids, const SamplingParams& params,
                   std::shared_ptr<const Adapter> adapter = nullptr);

}  // namespace afina::model
