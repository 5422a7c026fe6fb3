// SPDX-License-Identifier: Apache-2.0
#include "finetune/train_job.h"

#include <algorithm>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "dpo/dpo_loss.h"
#include "dpo/sft_loss.h"
#include "finetune/file_sink.h"
#include "model/threads.h"
#include "text/text_stack.h"

namespace afina::finetune {
namespace {

namespace fs = std::filesystem;

std::unique_ptr<dpo::Objective> make_objective(RunKind kind, const RunConfig& config) {
  if (kind == RunKind::dpo) return std::make_unique<dpo::DpoLoss>(config.beta);
  return std::make_unique<dpo::SftLoss>();
}

std::vector<std::string> module_names(const lora::AdapterSet& adapter) {
  std::vector<std::string> names;
  for (const auto module : adapter.modules())
    names.emplace_back(to_string(module));
  return names;
}

lora::LoraConfig lora_config(const RunConfig& config) {
  lora::LoraConfig out{static_cast<int>(config.r), config.lora_alpha, config.lora_dropout, config.use_rslora,
                       config.target_modules};
  out.use_dora = config.use_dora;
  out.lora_bias = config.lora_bias;
  const std::string& init = config.init_lora_weights;
  if (init == "false") out.init_lora_weights = lora::LoraInit::random;
  if (init == "gaussian") out.init_lora_weights = lora::LoraInit::gaussian;
  if (init.starts_with("pissa")) out.init_lora_weights = lora::LoraInit::pissa;
  if (const size_t digits = init.find_first_of("0123456789"); digits != std::string::npos)
    out.pissa_iterations = std::stoi(init.substr(digits));
  for (const auto& layer : config.layers_to_transform)
    out.layers_to_transform.push_back(std::stoi(layer));
  for (const auto& entry : config.rank_pattern) {
    const auto [key, r] = pattern_entry("rank_pattern", entry);
    out.rank_pattern.emplace_back(key, static_cast<int>(r));
  }
  for (const auto& entry : config.alpha_pattern)
    out.alpha_pattern.push_back(pattern_entry("alpha_pattern", entry));
  return out;
}

void check_trainable(const lora::AdapterSet& adapter) {
  if (const std::string why = adapter.untrainable(); !why.empty())
    throw UsageError(cat("[finetune] adapter must be one that can be trained, but ", why, "."));
}

}  // namespace

TrainJob::TrainJob(TrainRequest request) : request_(std::move(request)) {
  validate(request_.kind, request_.config);
  check_run_folder(request_.out, request_.resume);
  model::LoadOptions options;
  if (request_.config.load_in_4bit)
    options.base_storage =
        request_.config.bnb_4bit_use_double_quant ? model::BaseStorage::nf4_double : model::BaseStorage::nf4;
  model_ = model::load_model(request_.model, options);
  load_rows();
  make_policy();
  identity_ = {config_hash(request_.kind, request_.config), rows_->data_hash(), model_->identity(), "",
               model::threads()};
  run_id_ = request_.run_id;
  if (!request_.resume) return;
  folder_ = std::make_unique<RunFolder>(request_.out, true, OrderedJson());
  run_id_ = folder_->record().value("run_id", "");
}

TrainJob::~TrainJob() = default;

void TrainJob::load_rows() {
  const bool needs_text = has_text(request_.rows) || (request_.eval_rows && has_text(*request_.eval_rows));
  std::optional<text::TextStack> text;
  if (needs_text) text = text::load_text_stack(request_.model);
  const text::TextStack* stack = text ? &*text : nullptr;
  if (text && text->chat_template) template_sha256_ = text->chat_template->sha256();
  const int vocab = static_cast<int>(model_->config().vocab_size);
  rows_ = std::make_unique<EncodedTrainingRows>(encode_rows(request_.rows, stack, request_.config, vocab));
  log_info("finetune", "data: ", rows_->report().summary());
  if (!request_.eval_rows) return;
  eval_rows_ = std::make_unique<EncodedTrainingRows>(encode_rows(*request_.eval_rows, stack, request_.config, vocab));
  log_info("finetune", "held out: ", eval_rows_->report().summary());
}

std::unique_ptr<lora::AdapterSet> TrainJob::make_adapter() {
  const auto shape = lora::shape_of(model_->config());
  RunConfig& config = request_.config;
  lora::LoraConfig adapter_config = lora_config(config);
  if (request_.start_adapter.empty()) {
    auto fresh = std::make_unique<lora::AdapterSet>(shape, adapter_config);
    check_trainable(*fresh);
    fresh->initialise(static_cast<uint64_t>(config.seed));
    if (fresh->needs_model()) fresh->bind(model_);
    return fresh;
  }
  const auto start = lora::load_peft(request_.start_adapter, model_);
  start_sha256_ = lora::adapter_sha256(*start);
  adapter_config = start->config();
  // Rank, scale and targets belong to the numbers; dropout belongs to this run.
  adapter_config.lora_dropout = config.lora_dropout;
  config.r = adapter_config.r;
  config.lora_alpha = adapter_config.lora_alpha;
  config.target_modules = module_names(*start);
  config.use_rslora = adapter_config.use_rslora;
  config.use_dora = adapter_config.use_dora;
  config.lora_bias = adapter_config.lora_bias;
  auto adapter = std::make_unique<lora::AdapterSet>(shape, adapter_config, lora::UnmatchedNames::allow);
  adapter->flat_parameters().copy_(start->flat_parameters());
  check_trainable(start->head_part() || start->embedding_part() ? *start : *adapter);
  if (adapter->needs_model()) adapter->bind(model_);
  return adapter;
}

void TrainJob::make_policy() {
  std::string base = request_.base_model;
  if (base.empty()) base = fs::path(request_.model).lexically_normal().filename().string();
  auto adapter = make_adapter();
  const std::string summary =
      cat("Method: ", to_string(request_.kind), " on ", rows_->size(), " rows of ", request_.source, ".");
  model::TrainingModelOptions options;
  if (request_.config.loss_sum == LossSum::float32) options.head_sum = model::HeadSum::float32;
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
  if (eval_rows_) {
    record["eval_rows"] = eval_rows_->size();
    record["eval_data_sha256"] = eval_rows_->data_hash();
  }
  record["config"] = config_json(request_.config);
  return record;
}

std::unique_ptr<ReferenceTable> TrainJob::reference_of(const TrainingRows& rows, const fs::path& file,
                                                       std::stop_token stop) {
  if (request_.resume && fs::exists(file)) return std::make_unique<ReferenceTable>(read_reference(file, rows));
  ReferenceRequest request;
  request.rows = &rows;
  request.policy = policy_.get();
  request.with_adapter = request_.config.reference == ReferencePolicy::start && !request_.start_adapter.empty();
  request.reference_key =
      cat("reference 1\n", identity_.model_hash, "\n", request.with_adapter ? start_sha256_ : std::string("base"), "\n",
          to_string(request_.config.dtype));
  request.cache = cache_;
  request.stop = std::move(stop);
  ReferenceCounts counts;
  auto table = std::make_unique<ReferenceTable>(compute_reference(request, &counts));
  reference_counts_.computed += counts.computed;
  reference_counts_.cached += counts.cached;
  write_reference(file, rows, *table);
  return table;
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
  const auto objective = make_objective(request_.kind, request_.config);
  std::unique_ptr<ReferenceTable> reference, eval_reference;
  if (objective->needs_reference()) {
    reference = reference_of(*rows_, folder_->reference(), stop);
    identity_.reference_hash = reference->hash();
    if (eval_rows_) eval_reference = reference_of(*eval_rows_, folder_->eval_reference(), stop);
  }
  ShuffledBatches batches(*rows_, request_.config,
                          [&](const datasets::PackedBatch& batch) { return objective->divisor_share(batch); });
  CheckpointStore store(folder_->checkpoints(), request_.config.save_total_limit);
  sinks_.add(std::make_unique<FileSink>(folder_->path(), *rows_));
  sinks_.add(std::make_unique<TensorBoardSink>(folder_->tensorboard()));
  sinks_.add(std::make_unique<ProgressSink>(std::string(to_string(request_.kind))));
  Trainer trainer(request_.config, {*policy_, *objective, batches, *rows_, reference.get(),
                                    EvaluationSet{eval_rows_.get(), eval_reference.get()}, sinks_, store, identity_});
  if (request_.resume) resume(trainer, store);
  TrainReport report;
  report.outcome = trainer.run(std::move(stop));
  write_adapter();
  report.reference = reference_counts_;
  report.adapter = folder_->adapter();
  report.adapter_sha256 = lora::adapter_sha256(policy_->adapter());
  return report;
}

}  // namespace afina::finetune
