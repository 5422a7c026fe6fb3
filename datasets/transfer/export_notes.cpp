// SPDX-License-Identifier: Apache-2.0
#include "datasets/transfer/detail_json.h"
#include "datasets/transfer/export_rows.h"
#include "storage/transfer/note_stream.h"

namespace afina::datasets {

void export_notes(storage::Transaction& t, ExportState& state) {
  storage::NoteStream notes(t, state.request.filter);
  formats::RowWriter& out = state.out;
  std::vector<formats::MessageView> prompt;
  std::vector<std::string_view> words;
  std::string json, time;
  const NameAnswer unnamed = [](std::string_view) { return std::string_view(); };
  while (notes.next()) {
    const storage::ExportNote& row = notes.row();
    answer_place(state, row);
    answer_said(state, row, prompt);
    const std::pair<DetailKind, std::string_view> lists[] = {
        {DetailKind::aspects, row.aspects}, {DetailKind::flags, row.flags}, {DetailKind::spans, row.spans}};
    for (const auto& [kind, packed] : lists) {
      details_json(kind, packed, unnamed, json);
      out.json(json);
    }
    state.text_or_null(row.rewrite);
    out.text(row.reason);
    state.text_or_null(row.reason_language);
    out.truth(row.superseded);
    state.text_or_null(row.supersedes_id);
    out.text(iso_time(row.created_us, time));
    split_words(row.purposes, words);
    out.texts(words);
    state.end_row();
  }
}

}  // namespace afina::datasets
