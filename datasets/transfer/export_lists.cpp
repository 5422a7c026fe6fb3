// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "datasets/transfer/export_rows.h"
#include "datasets/transfer/jsonl_writer.h"
#include "storage/transfer/packed_text.h"
#include "storage/transfer/row_streams.h"
#include "storage/transfer/settled.h"

namespace afina::datasets {
namespace {

// Every answer of a conversation, also those that were not gone on with. Parameters are kept as text: a number that no
// reader can hold must not make the line unreadable.
std::string answers_json(std::string_view packed) {
  std::string out = "[";
  storage::PackedText list(packed);
  while (list.next()) {
    const std::string_view tag = list.tag();
    if (tag == "m" || tag == "p") {
      out += tag == "m" ? ",\"model\":" : ",\"params\":";
      append_json_text(out, list.text());
      if (tag == "p") out += "}";
      continue;
    }
    const size_t first = tag.find('/'), second = tag.rfind('/');
    out += cat(out.size() > 1 ? "," : "", "{\"turn\":", tag.substr(0, first),
               ",\"slot\":", tag.substr(first + 1, second - first - 1), ",\"attempt\":", tag.substr(second + 1),
               ",\"text\":");
    append_json_text(out, list.text());
  }
  return out + "]";
}

std::vector<std::string_view> texts_of(std::string_view packed) {
  std::vector<std::string_view> out;
  storage::PackedText list(packed);
  while (list.next())
    out.push_back(list.text());
  return out;
}

void write_ranking(ExportState& state, const storage::ExportRanking& row) {
  std::vector<std::vector<formats::MessageView>> completions;
  std::set<std::string_view> ranks;
  storage::PackedText list(row.answers);
  while (list.next()) {
    ranks.insert(list.tag());
    completions.push_back({{"assistant", list.text()}});
  }
  if (completions.size() < 2) return;
  // A list says which is better, not which are equal: a file's ranking with ties is in kind dpo as pairs, a task's in
  // kind submissions.
  if (ranks.size() < completions.size()) {
    ++state.report.left_out["with_ties"];
    return;
  }
  std::vector<formats::MessageView> prompt;
  unpack_messages(row.prompt, prompt);
  state.out.messages(prompt);
  state.out.message_lists(completions);
  state.out.real(1.0);
  state.out.text(state.pseudonyms.of(row.annotator_id));
  state.out.text(row.locale);
  state.out.text(row.id);
  state.end_row();
}

}  // namespace

void each_ranking(storage::Transaction& t, ExportState& state,
                  const std::function<void(const storage::ExportRanking&)>& take) {
  const storage::Settled settled = storage::settled_items(t, state.request.filter);
  storage::RankingStream rankings(t, state.request.filter);
  while (rankings.next()) {
    if (settled.replaced.contains(std::string(rankings.row().id)))
      ++state.report.left_out["settled_by_a_reviewer"];
    else
      take(rankings.row());
  }
  for (const storage::SettledRanking& one : settled.rankings)
    take({one.id, one.conversation_id, one.locale, one.annotator_id, one.prompt, one.answers});
}

void export_conversations(storage::Transaction& t, ExportState& state) {
  storage::ConversationStream conversations(t, state.request.filter);
  std::vector<formats::MessageView> messages;
  formats::RowWriter& out = state.out;
  while (conversations.next()) {
    const storage::ExportConversation& row = conversations.row();
    for (const std::string_view text : {row.id, row.locale, row.mode, row.source})
      out.text(text);
    out.text(iso_time(row.created_at));
    std::vector<std::string_view> purposes;
    split_words(row.purposes, purposes);
    out.texts(purposes);
    unpack_messages(row.messages, messages);
    out.messages(messages);
    out.texts(texts_of(row.models));
    out.json(answers_json(row.answers));
    state.end_row();
  }
}

void export_rankings(storage::Transaction& t, ExportState& state) {
  each_ranking(t, state, [&](const storage::ExportRanking& row) { write_ranking(state, row); });
}

}  // namespace afina::datasets
