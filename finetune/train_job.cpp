// SPDX-License-Identifier: Apache-2.0
#include "finetune/train_job.h"

#include <ATen/Context.h>

#include <algorithm>
#include <future>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "finetune/file_sink.h"
#include "finetune/prefetch.h"
#include "finetune/train_memory.h"
#include "finetune/train_setup.h"
#include "model/cuda/place.h"
#include "model/threads.h"
#include "text/text_stack.h"

namespace afina::finetune {
namespace {

namespace fs = std::filesystem;

bool begins_with_text(const RowSource& source) {
  const auto first = source.open()();
  if (!first) return false;
  return std::visit([](const auto& row) { return has_text(SourceRows(std::vector{row})); }, *first);
}

}  // namespace

TrainJob::TrainJob(TrainRequest request) : request_(std::move(request)), program_bytes_(resident_bytes()) {
  validate(request_.kind, request_.config);
  objective_ = dpo::make_objective(objective_options(request_.kind, request_.config));
  schedule_options(request_.config);  // refuses unknown settings before any work
  check_run_folder(request_.out, request_.resume);
  // Attention on a GPU is FlashAttention in bf16, but for runs that ask for float32 throughout.
  if (request_.config.device == DeviceType::cuda && request_.config.dtype == ComputeType::float32)
    at::globalContext().setSDPUseFlash(false);
  model_ = model::load_model(request_.model, load_options(request_.config));
  // Reading all weights once more takes a while; rows, adapter and plan are made meanwhile. Joined in any case.
  const auto digest = std::async(std::launch::async, [model = model_] { model->identity(); });
  load_rows();
  if (request_.resume) folder_ = std::make_unique<RunFolder>(request_.out, true, OrderedJson());
  make_policy();
  identity_ = {config_hash(request_.kind, request_.config), rows_->data_hash(), model_->identity(), "",
               model::threads()};
  run_id_ = folder_ ? folder_->record().value("run_id", "") : request_.run_id;
}

TrainJob::~TrainJob() = default;

std::unique_ptr<EncodedTrainingRows> TrainJob::encode(const RowSource& source, bool held_out, const std::string& what) {
  EncodeRequest encode;
  encode.kind = request_.kind;
  encode.config = &request_.config;
  encode.text = [this] { return &text(); };
  encode.text_identity = text_identity_;
  encode.vocab_size = static_cast<int>(model_->config().vocab_size);
  encode.context = model_->config().row_limit();
  encode.held_out = held_out;
  encode.cache = request_.token_cache;
  bool cached = false;
  auto rows = std::make_unique<EncodedTrainingRows>(encode_rows(source, encode, &cached));
  log_info("finetune", what, ": ", rows->report().summary(), cached ? "; ids from the cache" : "");
  return rows;
}

const std::string& TrainJob::template_sha256() {
  if (template_sha256_.empty() && begins_with_text(request_.rows)) text();
  return template_sha256_;
}

const text::TextStack& TrainJob::text() {
  if (!text_) {
    text_ = text::load_text_stack(request_.model);
    if (text_->chat_template) template_sha256_ = text_->chat_template->sha256();
    check_text();
  }
  return *text_;
}

/// Render, tokenise, mask, stop: the round trip of a short chat, before any row is turned into ids.
void TrainJob::check_text() const {
  if (text_->chat_template == nullptr) return;  // plain text needs none; rows of messages are refused when encoded
  for (const std::string& finding : text::check_template(*text_))
    log_warning("template", finding);
  if (request_.kind != RunKind::sft || !request_.config.assistant_only_loss) return;
  const auto first = request_.rows.open()();
  const auto* row = first ? std::get_if<datasets::SftRow>(&*first) : nullptr;
  if (row != nullptr && std::holds_alternative<datasets::ChatForm>(row->form) && !text::masks_answers(*text_)) {
    throw ModelError(cat("[", request_.model.string(),
                         "] must have a chat template that shows which tokens to train, but a short chat gets none"),
                     "give a chat_template.jinja with {% generation %} blocks, or assistant_only_loss=false");
  }
}

void TrainJob::load_rows() {
  try {
    text_identity_ = text_identity(request_.model);
  } catch (const Error&) {
    // A model without tokenizer: rows of ids need none, and rows of text are refused when they come.
  }
  rows_ = encode(request_.rows, false, "data");
  for (const auto& source : request_.held_out)
    held_out_.push_back({source.prefix, encode(source.rows, true, "held out (" + source.prefix + ")"), nullptr});
}

std::unique_ptr<lora::AdapterSet> TrainJob::make_adapter() {
  if (request_.start_adapter.empty()) return fresh_adapter(request_.kind, request_.config, model_);
  const auto start = lora::load_peft(request_.start_adapter, model_);
  start_sha256_ = lora::adapter_sha256(*start);
  return continued_adapter(*start, request_.kind, request_.config, model_);
}

void TrainJob::plan_memory(const lora::AdapterSet& adapter) {
  model_->prepare_backward(adapter.first_layer());
  model_->head().prepare_backward();
  std::vector<const TrainingRows*> held_out;
  for (const auto& set : held_out_)
    held_out.push_back(set.rows.get());
  MemoryFacts facts;
  facts.program_bytes = program_bytes_;
  facts.optimiser_bytes =
      make_optimiser(request_.config, parameter_blocks(adapter), adapter.parameter_count())->bytes();
  if (request_.token_cache.empty()) {
    for (int64_t row = 0; row < rows_->size(); ++row)
      facts.data_bytes += 8 * rows_->tokens(row);
  }
  if (const at::Device device = model_->final_norm().device(); !device.is_cpu())
    facts.device_budget_bytes = model::device_memory(device).free_bytes + model_->weight_bytes();
  facts.has_reference = objective_->needs_reference();
  facts.reference_has_adapter = facts.has_reference && reference_has_adapter();
  memory_ = plan_run_memory(request_.config, *model_, adapter, *objective_, *rows_, held_out, facts);
  if (folder_ && folder_->record().contains("memory_plan")) {
    // The split of micro-batches decides the last bits of a sum: a resumed run keeps the one it began with.
    const auto& then = folder_->record()["memory_plan"];
    memory_.choice.micro_rows = then.value("micro_rows", memory_.choice.micro_rows);
    memory_.split = then.value("split", memory_.split);
  }
  log_info("finetune", describe(memory_));
}

void TrainJob::make_policy() {
  std::string base = request_.base_model;
  if (base.empty()) base = fs::path(request_.model).lexically_normal().filename().string();
  auto adapter = make_adapter();
  plan_memory(*adapter);
  model::TrainingModelOptions options = model_options(request_.config, *objective_);
  options.recompute = to_engine(memory_.choice.recompute);
  options.recompute_layers = memory_.choice.recompute_layers;
  const std::string summary =
      cat("Method: ", to_string(request_.kind), " on ", rows_->size(), " rows of ", request_.source, ".");
  policy_ = std::make_unique<DecoderPolicy>(model_, std::move(adapter), lora::PeftInfo{base, summary}, options);
}

OrderedJson TrainJob::record() const {
  OrderedJson record = {{"format", 1},
                        {"run_id", request_.run_id},
                        {"kind", std::string(to_string(request_.kind))},
                        {"created", now_iso8601()},
                        {"model", fs::path(request_.model).filename().string()},
                        {"model_sha256", identity_.model_hash},
                        {"start_adapter_sha256", start_sha256_},
                        {"source", request_.source},
                        {"rows", rows_->size()},
                        {"data_sha256", identity_.data_hash},
                        {"config_sha256", identity_.config_hash},
                        {"threads", identity_.threads}};
  for (const auto& set : held_out_)
    record["held_out"][set.prefix] = {{"rows", set.rows->size()}, {"data_sha256", set.rows->data_hash()}};
  record["memory_plan"] = to_json(memory_);
  record["config"] = config_json(request_.config);
  return record;
}

std::unique_ptr<ReferenceTable> TrainJob::reference_of(const TrainingRows& rows, const fs::path& file,
                                                       const std::stop_token& stop) {
  ReferenceRequest request;
  request.rows = &rows;
  request.policy = policy_.get();
  request.with_adapter = reference_has_adapter();
  request.reference_key =
      cat("reference 1\n", identity_.model_hash, "\n", request.with_adapter ? start_sha256_ : std::string("base"), "\n",
          to_string(request_.config.dtype));
  request.cache = cache_;
  request.file = file;
  auto table = std::make_unique<ReferenceTable>(std::move(request));
  if (request_.config.precompute_ref_log_probs) table->compute_all(stop);
  return table;
}

bool TrainJob::policy_is_reference() const {
  return request_.config.reference == ReferencePolicy::start || request_.start_adapter.empty();
}

bool TrainJob::begins_at_reference() const {
  const bool random = request_.start_adapter.empty() && request_.config.init_lora_weights == "false";
  const bool dropped = !request_.start_adapter.empty() && request_.config.lora_dropout > 0.0;
  return policy_is_reference() && !random && !dropped;
}

void TrainJob::make_references(const std::stop_token& stop) {
  if (!objective_->needs_reference()) return;
  reference_ = reference_of(*rows_, folder_->reference(), stop);
  identity_.reference_hash = reference_->identity();
  for (auto& set : held_out_)
    set.reference = reference_of(*set.rows, folder_->path() / (set.prefix + "reference.jsonl"), stop);
}

void TrainJob::resume(Trainer& trainer, CheckpointStore& store) {
  const auto checkpoint = store.newest_valid();
  if (!checkpoint) {
    log_warning("finetune", "no whole checkpoint in ", folder_->checkpoints().string(),
                ": the run begins again at step 0");
    return;
  }
  trainer.restore(*checkpoint);
  log_info("finetune", "resumed at step ", trainer.step(), " of ", trainer.total_steps());
}

void TrainJob::write_adapter() {
  // Left by a run that was finished before: the same numbers, or the run could not have been resumed.
  std::error_code code;
  fs::remove_all(folder_->adapter(), code);
  policy_->save_adapter(folder_->adapter());
}

TrainReport TrainJob::run(std::stop_token stop) {
  if (!folder_) folder_ = std::make_unique<RunFolder>(request_.out, false, record());
  make_references(stop);
  // Split as planned: the loss does not change, the memory does.
  RunConfig config = request_.config;
  if (memory_.split) config.tokens_per_micro_batch = memory_.choice.micro_rows;
  ShuffledBatches in_order(
      *rows_, config, [this](const datasets::PackedBatch& batch) { return objective_->divisor_share(batch); },
      objective_->scope());
  PrefetchedBatches batches(in_order);
  CheckpointStore store(folder_->checkpoints(), config.save_total_limit);
  sinks_.add(std::make_unique<FileSink>(folder_->path(), *rows_));
  sinks_.add(std::make_unique<TensorBoardSink>(folder_->tensorboard()));
  sinks_.add(std::make_unique<ProgressSink>(std::string(to_string(request_.kind))));
  std::vector<EvaluationSet> evaluation;
  for (const auto& set : held_out_)
    evaluation.push_back({set.rows.get(), set.reference.get(), set.prefix});
  Trainer trainer(config, {*policy_, *objective_, batches, *rows_, reference_.get(), evaluation, sinks_, store,
                           identity_, health_facts(request_.kind, config, begins_at_reference())});
  if (request_.resume) resume(trainer, store);
  TrainReport report;
  report.outcome = trainer.run(std::move(stop));
  write_adapter();
  const auto count = [&](const ReferenceTable* table) {
    if (table == nullptr) return;
    report.reference.computed += table->counts().computed;
    report.reference.cached += table->counts().cached;
  };
  count(reference_.get());
  for (const auto& set : held_out_)
    count(set.reference.get());
  report.memory = memory_;
  if (const at::Device device = model_->final_norm().device(); !device.is_cpu())
    report.outcome.peak_memory_bytes = model::device_memory(device).peak_bytes;
  report.adapter = folder_->adapter();
  report.adapter_sha256 = lora::adapter_sha256(policy_->adapter());
  return report;
}

}  // namespace afina::finetune
