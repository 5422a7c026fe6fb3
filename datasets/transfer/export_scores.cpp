// SPDX-License-Identifier: Apache-2.0
#include "datasets/transfer/export_rows.h"
#include "storage/transfer/mark_stream.h"

namespace afina::datasets {

void export_scores(storage::Transaction& t, ExportState& state) {
  storage::MarkStream marks(t, state.request.filter);
  formats::RowWriter& out = state.out;
  std::vector<formats::MessageView> prompt;
  std::vector<std::string_view> words;
  std::string time;
  while (marks.next()) {
    const storage::ExportMark& row = marks.row();
    answer_place(state, row);
    state.text_or_null(row.file);
    answer_said(state, row, prompt);
    out.text(row.question);
    out.real(row.value);
    row.scale ? out.real(*row.scale) : out.null();
    out.truth(row.superseded);
    out.text(iso_time(row.created_us, time));
    split_words(row.purposes, words);
    out.texts(words);
    state.end_row();
  }
}

}  // namespace afina::datasets
