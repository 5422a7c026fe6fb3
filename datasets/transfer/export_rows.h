// SPDX-License-Identifier: Apache-2.0
// One function a kind of export, private to datasets/transfer/: from the database's rows to a table's.
#pragma once
#include <functional>
#include <optional>

#include "datasets/transfer/export_data.h"
#include "datasets/transfer/pseudonyms.h"
#include "storage/transaction.h"
#include "storage/transfer/row_streams.h"

namespace afina::datasets {

struct ExportState {
  const ExportRequest& request;
  formats::RowWriter& out;
  Pseudonyms& pseudonyms;
  ExportReport& report;

  void end_row() {
    out.end_row();
    ++report.rows;
  }
  void whole_or_null(const std::optional<int64_t>& value) { value ? out.whole(*value) : out.null(); }
  void text_or_null(std::string_view value) { value.empty() ? out.null() : out.text(value); }
};

void export_judgements(storage::Transaction& t, ExportState& state);
void export_dpo(storage::Transaction& t, ExportState& state);
void export_sft(storage::Transaction& t, ExportState& state);
void export_kto(storage::Transaction& t, ExportState& state);
void export_rankings(storage::Transaction& t, ExportState& state);
void export_conversations(storage::Transaction& t, ExportState& state);
void export_submissions(storage::Transaction& t, ExportState& state);
void export_notes(storage::Transaction& t, ExportState& state);
void export_scores(storage::Transaction& t, ExportState& state);

/// Rankings of files and tasks, then those that reviewers settled, in the place of the ones they settled.
void each_ranking(storage::Transaction& t, ExportState& state,
                  const std::function<void(const storage::ExportRanking&)>& take);

/// The messages of a packed cell (storage/transfer/packed_text.h), into `out`.
void unpack_messages(std::string_view packed, std::vector<formats::MessageView>& out);
/// What a row about a single answer begins with (ExportNote, ExportMark): its ids, turn, language and source.
template <typename Row>
void answer_place(ExportState& state, const Row& row) {
  for (const std::string_view text : {row.id, row.conversation_id, row.generation_id})
    state.out.text(text);
  state.out.whole(row.turn);
  for (const std::string_view text : {row.locale, row.source})
    state.out.text(text);
}
/// Who says it, under a pseudonym, and of what: the prompt, whose memory is used again, and the answer with its model.
template <typename Row>
void answer_said(ExportState& state, const Row& row, std::vector<formats::MessageView>& prompt) {
  state.out.text(state.pseudonyms.of(row.annotator_id));
  unpack_messages(row.prompt, prompt);
  state.out.messages(prompt);
  for (const std::string_view text : {row.text, row.model})
    state.out.text(text);
  state.text_or_null(row.adapter_id);
}

/// "2026-11-21 12:00:00.123456+00" as ISO 8601 with Z.
std::string iso_time(std::string_view text);
/// Microseconds since 1970 in the same form, always with six decimals, into `out`, whose memory is used again.
std::string_view iso_time(int64_t micros, std::string& out);
/// At single blanks, into `out`.
void split_words(std::string_view words, std::vector<std::string_view>& out);

}  // namespace afina::datasets
