// SPDX-License-Identifier: Apache-2.0
#include "datasets/transfer/import_file.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/hash.h"
#include "datasets/transfer/import_rows.h"
#include "formats/parquet/parquet.h"
#include "storage/people.h"
#include "storage/tasks/items.h"

namespace afina::datasets {
namespace {

constexpr size_t kBatchRecords = 500, kBatchBytes = size_t{4} << 20;
constexpr int64_t kMostFileBytes = int64_t{10} << 30;

// Hashes what is read through it.
class HashedSource final : public ByteSource {
 public:
  explicit HashedSource(std::unique_ptr<ByteSource> inner) : inner_(std::move(inner)) {}
  size_t read(char* buffer, size_t size) override {
    const size_t n = inner_->read(buffer, size);
    digest_.update(buffer, n);
    bytes_ += static_cast<int64_t>(n);
    if (bytes_ > kMostFileBytes)
      throw DataError("[import] must be a file of at most 10 GiB, but it is larger.", "split it");
    return n;
  }
  /// Of the whole file: reads what is left.
  std::string finish_hex() {
    std::string chunk(1 << 16, '\0');
    while (read(chunk.data(), chunk.size()) > 0) {
    }
    return digest_.finish_hex();
  }
  int64_t bytes() const { return bytes_; }

 private:
  std::unique_ptr<ByteSource> inner_;
  Sha256 digest_;
  int64_t bytes_ = 0;
};

void hash_file(const ImportFile& file, storage::NewImport& about) {
  HashedSource source(file.open());
  about.sha256 = source.finish_hex();
  about.bytes = source.bytes();
}

// What is stored stands under the hash that was declared: a file that is still being written is none of that hash.
void parse(const ImportFile& file, const ImportRequest& request, const ImportSink& sink) {
  HashedSource source(file.open());
  if (file.parquet.empty()) {
    parse_import(request.format, source, request.parse, sink);
  } else {
    JsonRowParser parser(request.format, request.parse, sink);
    int64_t row = 0;
    formats::read_parquet(file.parquet, [&](const Json& json) { parser.row(json, ++row); });
    parser.finish();
  }
  if (source.finish_hex() != request.about.sha256) {
    throw DataError("[import] must be the same file from beginning to end, but it changed while it was read.",
                    "give it again once nothing writes to it: what is known already is not stored twice");
  }
}

// Items of a project, stored in batches that may be given again.
class ProjectItems {
 public:
  ProjectItems(storage::Database& database, const ImportRequest& request, const storage::Import& import,
               ImportReport& report)
      : database_(database), request_(request), owner_id_(import.visitor_id), report_(report) {}

  /// Nothing, or why the record is no item.
  std::string add(const ImportRecord& record) {
    if (record.answers.empty()) return "[row] must have answers to be an item of a project, but has none.";
    storage::NewItem item;
    item.external_id =
        record.external_id.size() <= 200 ? record.external_id : "sha256:" + sha256_hex(record.external_id);
    for (const ImportMessage& m : record.messages)
      item.prompt.push_back({m.role, m.content});
    for (const ImportAnswer& a : record.answers)
      item.answers.push_back({a.text, a.model});
    items_.push_back(std::move(item));
    if (items_.size() >= kBatchRecords) store();
    return record.judgements.empty() ? ""
                                     : "[row] must bring no judgements into a project, but does: they were left out.";
  }

  void store() {
    if (items_.empty()) return;
    storage::ItemRequest request;
    request.project_id = request_.project_id;
    request.workspace_id = request_.about.workspace_id;
    request.account_id = request_.account_id;
    request.body_sha256 = sha256_hex(cat(request_.about.sha256, ":", batch_));
    request.idempotency_key = cat("import-", request.body_sha256.substr(0, 32));
    request.owner_id = owner_id_;  // what was declared holds, and the receipt takes the items back
    ++batch_;
    storage::TransactionOptions options;
    options.workspace = request_.about.workspace_id;
    const storage::ItemsAdded added =
        database_.transaction([&](storage::Transaction& t) { return storage::add_items(t, request, items_); }, options);
    report_.items += added.added;
    report_.counts.existing += added.existing;
    items_.clear();
  }

 private:
  storage::Database& database_;
  const ImportRequest& request_;
  const std::string owner_id_;
  ImportReport& report_;
  std::vector<storage::NewItem> items_;
  int batch_ = 0;
};

// Of formats whose marks are read on a scale that the importer names.
std::optional<double> scale_of(const ImportRequest& request) {
  const bool named = request.format == ImportFormat::argilla || request.format == ImportFormat::label_studio;
  return named ? std::optional(request.parse.rating_max) : std::nullopt;
}

}  // namespace

ImportReport import_file(storage::Database& database, const ImportFile& file, ImportRequest request) {
  check_parse_options(request.parse);
  storage::NewImport& about = request.about;
  about.format = to_string(request.format);
  about.receipt_code = storage::new_receipt_code();
  const bool into_project = !request.project_id.empty();
  if (into_project && std::ranges::find(about.purposes, "review") == about.purposes.end()) {
    throw UsageError("[import] purposes of a file for a project must hold review, but do not.",
                     "nobody could be given its items");
  }
  hash_file(file, about);
  storage::TransactionOptions options;
  options.workspace = about.workspace_id;
  if (into_project) {
    database.transaction(
        [&](storage::Transaction& t) { storage::get_project(t, request.project_id, about.workspace_id); }, options);
  }
  const storage::Import import =
      database.transaction([&](storage::Transaction& t) { return storage::begin_import(t, about); }, options);
  ImportReport report;
  report.id = import.id;
  if (import.created) report.receipt_code = about.receipt_code;
  ImportRows rows(import, about.locale, scale_of(request));
  const auto store = [&] {
    if (rows.records() == 0) return;
    const storage::ImportBatch batch = rows.take();
    const storage::ImportCounts added = database.transaction(
        [&](storage::Transaction& t) { return storage::add_import_batch(t, import, batch); }, options);
    report.counts.conversations += added.conversations;
    report.counts.answers += added.answers;
    report.counts.judgements += added.judgements;
    report.counts.existing += added.existing;
    report.counts.narrower += added.narrower;
  };
  ProjectItems items(database, request, import, report);
  const auto skip = [&](SkippedRow row) {
    ++report.counts.skipped;
    if (report.skipped.size() < kMostSkippedListed) report.skipped.push_back(std::move(row));
  };
  const ImportSink sink{[&](ImportRecord record) {
                          if (into_project) {
                            const std::string why = items.add(record);
                            if (!why.empty()) skip({record.line, why});
                            return;
                          }
                          rows.add(record);
                          if (rows.records() >= kBatchRecords || rows.bytes() >= kBatchBytes) store();
                        },
                        skip};
  parse(file, request, sink);
  store();
  items.store();
  database.transaction([&](storage::Transaction& t) { storage::finish_import(t, import.id, report.counts.skipped); },
                       options);
  const storage::ImportCounts& c = report.counts;
  report.repeated = import.finished && !into_project && c.conversations + c.answers + c.judgements == 0;
  return report;
}

ParsedFile parse_whole(ImportFormat format, std::string_view text, const ParseOptions& options) {
  ParsedFile out;
  const auto source = memory_source(text);
  parse_import(format, *source, options,
               {[&](ImportRecord record) { out.records.push_back(std::move(record)); },
                [&](SkippedRow row) { out.skipped.push_back(std::move(row)); }});
  return out;
}

}  // namespace afina::datasets
