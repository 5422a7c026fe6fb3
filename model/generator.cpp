// SPDX-License-Identifier: Apache-2.0
#include "model/generator.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <deque>
#include <new>
#include <utility>

#include "base/error.h"
#include "model/carver.h"
#include "model/decoder.h"
#include "model/kernels/cpu/attention.h"
#include "model/kernels/cpu/scratch.h"
#include "model/parallel.h"
#include "model/sampler.h"

namespace afina::model {
namespace {

using kernels::Scratch;

struct Sequence {
  SequenceId id = 0;
  std::vector<int> prompt;
  SamplingParams params;
  std::shared_ptr<const Adapter> adapter;
  Scratch cache;  // [layers][key | value][capacity][kv_width]
  int64_t capacity = 0;
  int64_t cached = 0;  // positions in the cache
  int produced = 0;
  int latest = 0;      // token to feed next
  TokenCounts counts;  // of new tokens, where the sampler asks
  std::vector<TokenScore> prompt_scores;
};

/// The rows one sequence has in this step.
struct Slice {
  Sequence* sequence;
  int64_t begin, length;
  bool prefill() const { return sequence->cached == 0; }
};

}  // namespace

struct Generator::State {
  State(std::shared_ptr<const Model> m, GeneratorOptions o) : model(std::move(m)), options(o), decoder(*model) {}

  std::shared_ptr<const Model> model;
  GeneratorOptions options;
  Decoder decoder;
  std::deque<std::unique_ptr<Sequence>> sequences;  // in the order of joining
  SequenceId next_id = 1;
  Scratch block, attention_work;
  LayerBuffers buffers;
  WorkBuffers work;
  at::Tensor last_MD, logits_MV;
  std::vector<int> ids, positions;
  std::vector<datasets::Segment> segments;  // of prompts
  std::vector<std::pair<float, int>> sampling;

  std::vector<Slice> choose();
  void lay_out(std::vector<Slice>& slices);
  void carve(Carver& carver, int64_t rows, int64_t sequences);
  void attend(int64_t layer, LayerBuffers& b, const PreparedBatch& batch, const std::vector<Slice>& slices);
  void run(const std::vector<Slice>& slices);
  const FrozenLinear& head_of(const Adapter* adapter) const {
    const FrozenLinear* own = adapter != nullptr ? adapter->head() : nullptr;
    return own != nullptr ? *own : model->head();
  }
  void embed(std::span<const AdapterRun> runs);
  void project_heads(std::span<const AdapterRun> runs);
  void score_prompt(const Slice& slice);
  TokenEvent advance(Sequence& sequence, const float* logits);
  float* cache(Sequence& s, int64_t layer, int64_t part) const {
    return s.cache.get(0) + (layer * 2 + part) * s.capacity * model->config().kv_width();
  }
};

/// Everything active, then waiting prompts up to the row limit (at least one); rows with one adapter side by side.
std::vector<Slice> Generator::State::choose() {
  std::vector<Slice> slices;
  int64_t prefill_rows = 0;
  bool full = false;
  for (const auto& s : sequences) {
    if (s->cached > 0) {
      slices.push_back({s.get(), 0, 1});
      continue;
    }
    const auto rows = static_cast<int64_t>(s->prompt.size());
    full = full || (prefill_rows > 0 && prefill_rows + rows > options.max_prefill_rows);
    if (full) continue;
    prefill_rows += rows;
    slices.push_back({s.get(), 0, rows});
  }
  std::stable_sort(slices.begin(), slices.end(),
                   [](const Slice& a, const Slice& b) { return a.sequence->adapter < b.sequence->adapter; });
  return slices;
}

void Generator::State::lay_out(std::vector<Slice>& slices) {
  ids.clear();
  positions.clear();
  segments.clear();
  for (Slice& slice : slices) {
    Sequence& s = *slice.sequence;
    slice.begin = static_cast<int64_t>(ids.size());
    if (!slice.prefill()) {
      ids.push_back(s.latest);
      positions.push_back(static_cast<int>(s.cached));
      continue;
    }
    segments.push_back({static_cast<int>(slice.begin), static_cast<int>(slice.length), 0, 0});
    ids.insert(ids.end(), s.prompt.begin(), s.prompt.end());
    for (int64_t i = 0; i < slice.length; ++i)
      positions.push_back(static_cast<int>(i));
  }
  const auto rows = static_cast<int64_t>(ids.size());
  Carver count(nullptr);
  carve(count, rows, static_cast<int64_t>(slices.size()));
  Carver views(block.get(count.used()));
  carve(views, rows, static_cast<int64_t>(slices.size()));
}

void Generator::State::carve(Carver& carver, int64_t n, int64_t m) {
  const ModelConfig& c = model->config();
  buffers.x_in_ND = buffers.x_out_ND = carver.take({n, c.hidden});
  buffers.x_mid_ND = carver.take({n, c.hidden});
  buffers.qkv_NC = carver.take({n, c.qkv_width()});
  buffers.o_NQ = carver.take({n, c.q_width()});
  buffers.lse_HN = carver.take({c.heads, n});
  buffers.gate_up_NF2 = carver.take({n, 2 * c.ffn});
  buffers.rstd1_N = carver.take({n});
  buffers.rstd2_N = carver.take({n});
  work.norm1_ND = work.norm2_ND = carver.take({n, c.hidden});
  work.h_NF = carver.take({n, c.ffn});
  last_MD = carver.take({m, c.hidden});
  logits_MV = carver.take({m, c.vocab_size});
}

void Generator::State::attend(int64_t layer, LayerBuffers& b, const PreparedBatch& batch,
                              const std::vector<Slice>& slices) {
  const ModelConfig& c = model->config();
  const int64_t kv = c.kv_width(), stride = b.qkv_NC.stride(0), hd = c.head_dim;
  const float* qkv = b.qkv_NC.const_data_ptr<float>();
  const float scale = 1.0F / std::sqrt(static_cast<float>(hd));
  float* o = b.o_NQ.data_ptr<float>();
  decoder.compute().attention(batch, b.qkv_NC, b.o_NQ, b.lse_HN);
  std::vector<const Slice*> decoding;
  int64_t longest = 0;
  for (const Slice& slice : slices) {
    Sequence& s = *slice.sequence;
    for (int64_t i = 0; i < slice.length; ++i) {
      const float* row = qkv + (slice.begin + i) * stride + c.q_width();
      std::memcpy(cache(s, layer, 0) + (s.cached + i) * kv, row, static_cast<size_t>(kv) * sizeof(float));
      std::memcpy(cache(s, layer, 1) + (s.cached + i) * kv, row + kv, static_cast<size_t>(kv) * sizeof(float));
    }
    if (slice.prefill()) continue;
    decoding.push_back(&slice);
    longest = std::max(longest, s.cached + 1);
  }
  const int64_t units = static_cast<int64_t>(decoding.size()) * c.heads;
  float* weights = attention_work.get(units * longest);
  parallel(
      units,
      [&](int64_t begin, int64_t end) {
        for (int64_t unit = begin; unit < end; ++unit) {
          const Slice& slice = *decoding[static_cast<size_t>(unit / c.heads)];
          Sequence& s = *slice.sequence;
          const int64_t head = unit % c.heads, group = head / (c.heads / c.kv_heads);
          kernels::attend_one(qkv + slice.begin * stride + head * hd, cache(s, layer, 0) + group * hd,
                              cache(s, layer, 1) + group * hd, kv, s.cached + 1, hd, scale, weights + unit * longest,
                              o + slice.begin * b.o_NQ.stride(0) + head * hd);
        }
      },
      worth_a_thread(2 * longest * hd));
}

void Generator::State::run(const std::vector<Slice>& slices) {
  const ModelConfig& c = model->config();
  const auto batch = decoder.compute().prepare({positions, segments, {}});
  std::vector<AdapterRun> runs, last_runs;  // last_runs: of the last rows, one a slice
  for (size_t i = 0; i < slices.size(); ++i) {
    const Slice& slice = slices[i];
    const Adapter* adapter = slice.sequence->adapter.get();
    const auto at = static_cast<int64_t>(i);
    if (runs.empty() || runs.back().adapter != adapter) {
      runs.push_back({slice.begin, slice.begin, adapter});
      last_runs.push_back({at, at, adapter});
    }
    runs.back().end = slice.begin + slice.length;
    last_runs.back().end = at + 1;
  }
  embed(runs);
  ForwardContext context;
  context.runs = runs;
  context.batch = batch.get();
  context.attend = [&](int64_t layer, LayerBuffers& b) { attend(layer, b, *batch, slices); };
  for (int64_t l = 0; l < c.layers; ++l)
    decoder.forward(l, buffers, work, context);
  const auto& t = kernels::table();
  for (size_t i = 0; i < slices.size(); ++i) {
    const int64_t row = slices[i].begin + slices[i].length - 1;
    t.rms_forward(
        buffers.x_out_ND.const_data_ptr<float>() + row * c.hidden, model->final_norm().const_data_ptr<float>(),
        last_MD.data_ptr<float>() + static_cast<int64_t>(i) * c.hidden, c.hidden, static_cast<float>(c.rms_eps));
  }
  project_heads(last_runs);
  for (const Slice& slice : slices)
    if (slice.prefill() && slice.sequence->params.prompt_logprobs) score_prompt(slice);
}

/// Look-ups, in the model's embedding or in those that adapters bring.
void Generator::State::embed(std::span<const AdapterRun> runs) {
  for (const AdapterRun& run : runs) {
    const FrozenLinear* own = run.adapter != nullptr ? run.adapter->embedding() : nullptr;
    const auto begin = static_cast<size_t>(run.begin), rows = static_cast<size_t>(run.end - run.begin);
    at::Tensor rows_ND = buffers.x_in_ND.narrow(0, run.begin, run.end - run.begin);
    (own != nullptr ? *own : model->embedding()).gather_rows(std::span(ids).subspan(begin, rows), rows_ND);
  }
}

/// Logits of the last rows; neighbours that share a head share its product.
void Generator::State::project_heads(std::span<const AdapterRun> runs) {
  for (size_t first = 0, end = 0; first < runs.size(); first = end) {
    const FrozenLinear& head = head_of(runs[first].adapter);
    while (end < runs.size() && &head_of(runs[end].adapter) == &head)
      ++end;
    const int64_t begin = runs[first].begin, rows = runs[end - 1].end - begin;
    at::Tensor logits = logits_MV.narrow(0, begin, rows);
    head.forward(last_MD.narrow(0, begin, rows), logits, 0.0F);
  }
}

/// A few rows at a time: whole logits of a long prompt would be gigabytes.
void Generator::State::score_prompt(const Slice& slice) {
  constexpr int64_t kRows = 32;
  const ModelConfig& c = model->config();
  Sequence& s = *slice.sequence;
  at::Tensor norm_RD = at::empty({kRows, c.hidden}), logits_RV = at::empty({kRows, c.vocab_size});
  for (int64_t first = 0; first + 1 < slice.length; first += kRows) {
    const int64_t rows = std::min(kRows, slice.length - 1 - first);
    for (int64_t i = 0; i < rows; ++i)
      kernels::table().rms_forward(buffers.x_out_ND.const_data_ptr<float>() + (slice.begin + first + i) * c.hidden,
                                   model->final_norm().const_data_ptr<float>(),
                                   norm_RD.data_ptr<float>() + i * c.hidden, c.hidden, static_cast<float>(c.rms_eps));
    at::Tensor out_RV = logits_RV.narrow(0, 0, rows);
    head_of(s.adapter.get()).forward(norm_RD.narrow(0, 0, rows), out_RV, 0.0F);
    for (int64_t i = 0; i < rows; ++i)
      s.prompt_scores.push_back(
          score_token({out_RV.const_data_ptr<float>() + i * c.vocab_size, static_cast<size_t>(c.vocab_size)},
                      s.prompt[static_cast<size_t>(first + i + 1)], s.params.top_logprobs));
  }
}

TokenEvent Generator::State::advance(Sequence& s, const float* logits) {
  const auto vocab = static_cast<size_t>(model->config().vocab_size);
  SampledToken token = sample({logits, vocab}, s.params, static_cast<uint64_t>(s.produced), sampling, s.counts);
  if (penalizes(s.params)) ++s.counts[token.token];
  s.cached += s.cached == 0 ? static_cast<int64_t>(s.prompt.size()) : 1;
  s.latest = token.token;
  ++s.produced;
  const bool stop =
      std::find(s.params.stop_ids.begin(), s.params.stop_ids.end(), token.token) != s.params.stop_ids.end();
  const FinishReason finish = stop                                    ? FinishReason::stop
                              : s.produced >= s.params.max_new_tokens ? FinishReason::length
                                                                      : FinishReason::none;
  return {s.id, token.token, token.logprob, finish, std::move(token.top), std::exchange(s.prompt_scores, {})};
}

Generator::Generator(std::shared_ptr<const Model> model, GeneratorOptions options)
    : state_(std::make_unique<State>(std::move(model), options)) {}

Generator::~Generator() = default;

int64_t Generator::context_limit() const {
  const int64_t own = state_->model->config().row_limit();
  return state_->options.max_context > 0 ? std::min(own, state_->options.max_context) : own;
}

SequenceId Generator::add(std::vector<int> prompt, const SamplingParams& params,
                          std::shared_ptr<const Adapter> adapter) {
  validate(params);
  State& s = *state_;
  if (size() >= s.options.max_sequences)
    throw Conflict(cat("[generate] sequences must be at most ", s.options.max_sequences,
                       " at one time, but all places are taken."));
  if (prompt.empty()) throw UsageError("[generate] prompt must have at least one token, but is empty.");
  for (const int id : prompt)
    if (id < 0 || id >= s.model->config().vocab_size)
      throw UsageError(
          cat("[generate] prompt ids must be 0..", s.model->config().vocab_size - 1, ", but one is ", id, "."));
  for (const auto& [id, bias] : params.logit_bias)
    if (id >= s.model->config().vocab_size)
      throw UsageError(
          cat("[generate] logit_bias ids must be 0..", s.model->config().vocab_size - 1, ", but one is ", id, "."));
  const auto length = static_cast<int64_t>(prompt.size());
  if (length >= context_limit())
    throw UsageError(cat("[generate] prompt must leave room for a token in ",
                         context_limit() < s.model->config().row_limit() ? cat("the context of ", context_limit())
                                                                         : s.model->config().row_limit_reason(),
                         ", but has ", length, " tokens."));
  auto sequence = std::make_unique<Sequence>();
  sequence->id = s.next_id++;
  sequence->params = params;
  sequence->params.max_new_tokens =
      static_cast<int>(std::min<int64_t>(params.max_new_tokens, context_limit() - length));
  sequence->capacity = length + sequence->params.max_new_tokens;
  const ModelConfig& c = s.model->config();
  const int64_t floats = c.layers * 2 * sequence->capacity * c.kv_width();
  try {
    sequence->cache.get(floats, true);  // here and not in step(), where it would end everybody's sequence
  } catch (const std::bad_alloc&) {
    throw ModelError(cat("[generate] the cache of ", sequence->capacity, " tokens must fit in memory, but needs ",
                         floats * 4 / 1'000'000'000, " GB."),
                     "ask for fewer new tokens, or serve with a smaller --context");
  }
  sequence->prompt = std::move(prompt);
  sequence->adapter = std::move(adapter);
  s.sequences.push_back(std::move(sequence));
  return s.sequences.back()->id;
}

std::vector<TokenEvent> Generator::step() {
  const c10::NoGradGuard no_grad;
  State& s = *state_;
  std::vector<Slice> slices = s.choose();
  if (slices.empty()) return {};
  s.lay_out(slices);
  s.run(slices);
  std::vector<TokenEvent> events;
  for (size_t i = 0; i < slices.size(); ++i)
    events.push_back(s.advance(*slices[i].sequence,
                               s.logits_MV.const_data_ptr<float>() + static_cast<int64_t>(i) * s.logits_MV.stride(0)));
  std::sort(events.begin(), events.end(),
            [](const TokenEvent& a, const TokenEvent& b) { return a.sequence < b.sequence; });
  for (const TokenEvent& event : events)
    if (event.finish != FinishReason::none) remove(event.sequence);
  return events;
}

bool Generator::remove(SequenceId id) {
  return std::erase_if(state_->sequences, [id](const auto& s) { return s->id == id; }) > 0;
}

int Generator::size() const {
  return static_cast<int>(state_->sequences.size());
}

int64_t Generator::cache_bytes() const {
  int64_t floats = state_->block.size() + state_->attention_work.size();
  for (const auto& s : state_->sequences)
    floats += s->cache.size();
  return floats * 4 + state_->decoder.compute().table_bytes();
}

const Model& Generator::model() const {
  return *state_->model;
}

Generated generate(std::shared_ptr<const Model> model, std::vector<int> prompt_ids, const SamplingParams& params,
                   std::shared_ptr<const Adapter> adapter) {
  Generator generator(std::move(model));
  generator.add(std::move(prompt_ids), params, std::move(adapter));
  Generated out;
  while (out.finish == FinishReason::none) {
    for (const TokenEvent& event : generator.step()) {
      out.ids.push_back(event.token);
      out.logprobs.push_back(event.logprob);
      out.finish = event.finish;
    }
  }
  return out;
}

}  // namespace afina::model
