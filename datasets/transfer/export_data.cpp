// SPDX-License-Identifier: Apache-2.0
#include "datasets/transfer/export_data.h"

#include <iterator>
#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "datasets/transfer/export_rows.h"
#include "datasets/transfer/jsonl_writer.h"
#include "formats/parquet/parquet.h"
#include "storage/audit.h"

namespace afina::datasets {
namespace {

constexpr std::pair<ExportKind, std::string_view> kKinds[] = {{ExportKind::judgements, "judgements"},
                                                              {ExportKind::dpo, "dpo"},
                                                              {ExportKind::sft, "sft"},
                                                              {ExportKind::kto, "kto"},
                                                              {ExportKind::rankings, "rankings"},
                                                              {ExportKind::conversations, "conversations"},
                                                              {ExportKind::submissions, "submissions"},
                                                              {ExportKind::notes, "notes"},
                                                              {ExportKind::scores, "scores"}};

void run(storage::Transaction& t, ExportState& state) {
  switch (state.request.kind) {
    case ExportKind::judgements:
      return export_judgements(t, state);
    case ExportKind::dpo:
      return export_dpo(t, state);
    case ExportKind::sft:
      return export_sft(t, state);
    case ExportKind::kto:
      return export_kto(t, state);
    case ExportKind::rankings:
      return export_rankings(t, state);
    case ExportKind::conversations:
      return export_conversations(t, state);
    case ExportKind::submissions:
      return export_submissions(t, state);
    case ExportKind::notes:
      return export_notes(t, state);
    case ExportKind::scores:
      return export_scores(t, state);
  }
}

void write_audit(storage::Database& database, const ExportRequest& request, const ExportReport& report) {
  const storage::ExportFilter& filter = request.filter;
  Json detail{{"form", to_string(request.form)}, {"purpose", filter.purpose}, {"rows", report.rows},
              {"bytes", report.bytes},           {"sha256", report.sha256},   {"salt_sha256", report.salt_sha256},
              {"complete", report.complete},     {"locale", filter.locale},   {"project", filter.project_id}};
  if (filter.since) detail["since"] = storage::time_to_text(*filter.since);
  storage::TransactionOptions options;
  options.workspace = filter.workspace_id;
  database.transaction(
      [&](storage::Transaction& t) {
        storage::append_audit(t, request.actor, "export", std::string(to_string(request.kind)), detail);
      },
      options);
}

// A column of nulls ends TRL's reward trainer, which takes `margin` as a number wherever there is one.
std::vector<formats::Column> columns_of(const ExportRequest& request) {
  std::vector<formats::Column> columns = export_columns(request.kind);
  if (request.kind == ExportKind::dpo && request.margin_scale == 0)
    std::erase_if(columns, [](const formats::Column& column) { return column.name == "margin"; });
  return columns;
}

}  // namespace

std::string_view to_string(ExportKind kind) {
  for (const auto& [value, word] : kKinds)
    if (value == kind) return word;
  return "";
}

bool from_string(std::string_view word, ExportKind& out) {
  for (const auto& [value, name] : kKinds) {
    if (name != word) continue;
    out = value;
    return true;
  }
  return false;
}

std::string export_kind_words() {
  std::string out;
  for (const auto& kind : kKinds)
    out += cat(out.empty() ? "" : &kind == std::prev(std::end(kKinds)) ? " or " : ", ", kind.second);
  return out;
}

bool can_write(ExportForm form) {
  return form == ExportForm::jsonl || formats::has_parquet();
}

std::string_view to_string(ExportForm form) {
  return form == ExportForm::jsonl ? "jsonl" : "parquet";
}

bool from_string(std::string_view word, ExportForm& out) {
  out = word == "parquet" ? ExportForm::parquet : ExportForm::jsonl;
  return word == "jsonl" || word == "parquet";
}

ExportReport export_data(storage::Database& database, const ExportRequest& request, const formats::ByteSink& sink) {
  if (!(request.margin_scale >= 0.0 && request.margin_scale < 1e6))
    throw UsageError(cat("[export] must have a margin_scale of 0 or more, but got ", request.margin_scale, "."));
  ExportReport report;
  Pseudonyms pseudonyms;
  Sha256 digest;
  report.salt_sha256 = pseudonyms.salt_sha256();
  const formats::ByteSink counted = [&](std::string_view bytes) {
    digest.update(bytes);
    report.bytes += bytes.size();
    return sink(bytes);
  };
  auto writer = request.form == ExportForm::jsonl ? jsonl_writer(columns_of(request), counted)
                                                  : formats::parquet_writer(columns_of(request), counted);
  ExportState state{request, *writer, pseudonyms, report};
  storage::TransactionOptions options;
  options.isolation = storage::Isolation::repeatable_read;
  options.read_only = true;
  options.workspace = request.filter.workspace_id;
  bool begun = false;
  try {
    database.transaction(
        [&](storage::Transaction& t) {
          // A second go would append to what has left already.
          if (std::exchange(begun, true))
            throw Conflict("[export] the connection must hold for the whole file, but was lost.");
          t.script(storage::kExportSettings);
          run(t, state);
        },
        options);
    writer->finish();
    report.complete = true;
  } catch (const Cancelled&) {
    report.complete = false;
  }
  report.sha256 = digest.finish_hex();
  write_audit(database, request, report);
  return report;
}

}  // namespace afina::datasets
