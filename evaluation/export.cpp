// SPDX-License-Identifier: Apache-2.0
#include "evaluation/export.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "evaluation/export_writer.h"
#include "lora/gguf_adapter.h"
#include "lora/peft.h"
#include "model/model.h"

namespace afina::evaluation {
namespace {

namespace fs = std::filesystem;

constexpr std::pair<ExportFormat, std::string_view> kFormats[] = {{ExportFormat::peft, "peft"},
                                                                  {ExportFormat::hf, "hf"},
                                                                  {ExportFormat::gguf, "gguf"},
                                                                  {ExportFormat::gguf_adapter, "gguf-adapter"}};

bool writes_adapter(ExportFormat format) {
  return format == ExportFormat::peft || format == ExportFormat::gguf_adapter;
}

/// Removes what was written unless it was published.
class Workspace {
 public:
  explicit Workspace(const fs::path& out)
      : folder_(out.parent_path() / (out.filename().string() + ".tmp-" + random_hex(6))) {
    if (folder_.has_parent_path()) fs::create_directories(folder_.parent_path());
    fs::create_directory(folder_);
  }
  ~Workspace() {
    std::error_code code;
    fs::remove_all(folder_, code);
  }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  const fs::path& folder() const { return folder_; }

 private:
  fs::path folder_;
};

void check_request(const ExportRequest& r) {
  if (r.out.empty()) throw UsageError("[export] --out must name a new folder, but is empty.");
  if (fs::exists(r.out)) throw Conflict(cat("[export] must write a new folder, but ", r.out.string(), " exists."));
  for (const auto& [option, path] : {std::pair<const char*, const fs::path&>{"--model", r.base},
                                     {"--adapter", r.adapter},
                                     {"--run", r.run},
                                     {"--prompts", r.prompts}})
    if (!path.empty() && !fs::exists(path))
      throw NotFound(cat("[export] ", option, " must name something that exists, but got ", path.string(), "."));
  if (r.adapter.empty() && writes_adapter(r.format))
    throw UsageError(cat("[export] --format ", to_string(r.format), " must come with --adapter, but there is none."));
}

std::optional<text::TextStack> text_of(const fs::path& base, std::vector<std::string>& notes) {
  try {
    return text::load_text_stack(base);
  } catch (const Error& error) {
    notes.push_back(cat("compared on ids, without texts: ", error.what()));
    return std::nullopt;
  }
}

fs::path without_slash(const fs::path& path) {
  return path.has_filename() ? path : path.parent_path();
}

std::string file_stem(const fs::path& path) {
  const fs::path named = without_slash(path);
  return named.extension() == ".gguf" ? named.stem().string() : named.filename().string();
}

class Export {
 public:
  explicit Export(const ExportRequest& request) : r_(request) {}

  ExportReport run() {
    check_request(r_);
    describe();
    check_licence();
    const Workspace work(fs::absolute(without_slash(r_.out)));
    load_wanted();
    const fs::path publish = work.folder() / "publish";
    Written written = write_export(r_, card_.name, adapter_.get(), *model_, publish);
    report_.notes.insert(report_.notes.end(), written.notes.begin(), written.notes.end());
    const PromptLogits got = logits_of(written.artifact);
    report_.gate = compare_logits(prompts_, wanted_, base_, got, tolerance_of(written.type));
    if (!report_.gate.passed)
      throw ModelError(cat("[export] the published files must compute what base and adapter compute, but ",
                           report_.gate.reason, ". Nothing was written."),
                       written.type == "F32" ? "this is a fault in the export: please report it"
                                             : "a wider --type (f16, f32), or --format peft, keeps it");
    card_.format = written.description;
    card_.gate = report_.gate;
    write_file_synced(publish / "README.md", model_card_text(card_));
    write_file_synced(publish / "publish.json", dump_json(record(written), 2) + "\n");
    copy_licence(publish);
    for (const auto& entry : fs::directory_iterator(publish))
      report_.files.push_back(entry.path().filename().string());
    std::sort(report_.files.begin(), report_.files.end());
    report_.name = card_.name;
    if (!r_.dry_run) {
      sync_path(publish);
      fs::rename(publish, r_.out);
      report_.out = r_.out;
    }
    return std::move(report_);
  }

 private:
  void describe() {
    card_.is_adapter = writes_adapter(r_.format);
    card_.languages = r_.languages;
    card_.licence = find_licence(r_.license, r_.base);
    card_.duties = duties_of(card_.licence);
    card_.base_model = r_.base_model.empty() ? file_stem(r_.base) : r_.base_model;
    const fs::path source = r_.adapter.empty() ? r_.base : r_.adapter;
    fs::path run = r_.run;
    if (run.empty() && !r_.adapter.empty()) run = fs::absolute(without_slash(r_.adapter)).parent_path();
    if (!run.empty()) card_.training = read_training(run);
    std::string name = r_.name;
    if (name.empty()) {
      name = file_stem(source);
      if (name == "adapter" && !run.empty()) name = without_slash(run).filename().string();
    }
    if (name.find('/') != std::string::npos || name == "." || name == "..")
      throw UsageError(cat("[export] --name must be a plain name, but is \"", name, "\"."));
    card_.name = name_with_prefix(name, !r_.name.empty(), card_.duties);
    if (card_.name != name) report_.notes.push_back(cat("named ", card_.name, ", as its licence asks"));
  }

  /// Before hours of writing.
  void check_licence() {
    if (card_.duties.agreement.empty()) return;
    copies_ = r_.licence_files.empty() ? licence_files(r_.base) : r_.licence_files;
    if (copies_.empty())
      throw ModelError(cat("[export] a copy of the ", card_.duties.agreement, " must go along, but ", r_.base.string(),
                           " holds none."),
                       "--license-file FILE (of the base's own repository) names it");
    for (const fs::path& file : copies_)
      if (!fs::is_regular_file(file))
        throw NotFound(cat("[export] --license-file must be a file, but ", file.string(), " is none."));
  }

  /// Logits of base + adapter and of the bare base.
  void load_wanted() {
    model_ = model::load_model(r_.base);
    card_.base_sha256 = model_->identity();
    const auto text = text_of(r_.base, report_.notes);
    const int64_t vocabulary = model_->config().vocab_size;
    prompts_ = r_.prompts.empty() ? stored_prompts(text ? &*text : nullptr, vocabulary)
                                  : prompts_of_file(r_.prompts, text ? &*text : nullptr, vocabulary);
    if (!r_.adapter.empty()) {
      adapter_ = lora::load_adapter(r_.adapter, model_);
      card_.adapter_sha256 = lora::adapter_sha256(*adapter_);
    }
    model::TrainingModel engine(model_);
    base_ = prompt_logits(engine, nullptr, prompts_);
    wanted_ = adapter_ ? prompt_logits(engine, adapter_.get(), prompts_) : base_;
  }

  PromptLogits logits_of(const fs::path& artifact) {
    if (!writes_adapter(r_.format)) {
      // The base leaves memory first: two 70B models would not fit where one does.
      adapter_.reset();
      model_.reset();
      model::TrainingModel engine(model::load_model(artifact));
      return prompt_logits(engine, nullptr, prompts_);
    }
    const auto again = lora::load_adapter(artifact, model_);
    model::TrainingModel engine(model_);
    return prompt_logits(engine, again.get(), prompts_);
  }

  OrderedJson record(const Written& written) const {
    return {{"format", std::string(to_string(r_.format))},
            {"type", written.type},
            {"name", card_.name},
            {"base_model", card_.base_model},
            {"base_sha256", card_.base_sha256},
            {"adapter_sha256", card_.adapter_sha256},
            {"run_id", card_.training.run_id},
            {"data_sha256", card_.training.data_sha256},
            {"source", card_.training.source},
            {"license", card_.licence.id},
            {"notes", report_.notes},
            {"gate", report_.gate.json()}};
  }

  void copy_licence(const fs::path& publish) const {
    if (!card_.duties.notice.empty()) write_file_synced(publish / "NOTICE", card_.duties.notice + "\n");
    const auto files = copies_.empty() ? licence_files(r_.base) : copies_;
    for (const fs::path& file : files)
      write_file_synced(publish / file.filename(), read_file(file));
  }

  const ExportRequest& r_;
  ExportReport report_;
  ModelCard card_;
  std::vector<fs::path> copies_;
  std::shared_ptr<const model::Model> model_;
  std::unique_ptr<lora::AdapterSet> adapter_;
  std::vector<GatePrompt> prompts_;
  PromptLogits wanted_, base_;
};

}  // namespace

std::string_view to_string(ExportFormat format) {
  for (const auto& [value, word] : kFormats)
    if (value == format) return word;
  return "";
}

bool from_string(std::string_view word, ExportFormat& out) {
  for (const auto& [value, known] : kFormats) {
    if (known != word) continue;
    out = value;
    return true;
  }
  return false;
}

ExportReport export_model(const ExportRequest& request) {
  return Export(request).run();
}

}  // namespace afina::evaluation
