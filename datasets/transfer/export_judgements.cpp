// SPDX-License-Identifier: Apache-2.0
#include "datasets/transfer/detail_json.h"
#include "datasets/transfer/export_rows.h"
#include "storage/transfer/pair_stream.h"

namespace afina::datasets {
namespace {

using storage::ExportPair;
using storage::ExportVote;

class Judgements {
 public:
  Judgements(storage::Transaction& t, ExportState& state) : state_(state), pairs_(t, state.request.filter, nullptr) {}

  void run() {
    while (pairs_.next()) {
      unpack_messages(pairs_.pair().prompt, prompt_);
      for (const ExportVote& vote : pairs_.votes())
        write(pairs_.pair(), vote);
    }
  }

 private:
  void write(const ExportPair& pair, const ExportVote& vote) {
    formats::RowWriter& out = state_.out;
    out.text(vote.id);
    out.text(pair.id);
    out.text(pair.conversation_id);
    out.whole(pair.turn);
    out.text(pair.locale);
    out.text(vote.source);
    out.text(state_.pseudonyms.of(vote.annotator_id));
    out.text(vote.outcome);
    state_.whole_or_null(vote.grade);
    state_.whole_or_null(vote.confidence);
    out.text(vote.reason);
    state_.text_or_null(vote.reason_language);
    state_.whole_or_null(vote.ms_to_decide);
    out.truth(vote.blind);
    out.truth(vote.superseded);
    state_.text_or_null(vote.supersedes_id);
    out.text(vote.a_on_left ? "a" : "b");
    out.truth(vote.leak_a);
    out.truth(vote.leak_b);
    state_.text_or_null(vote.layout);
    state_.whole_or_null(vote.width_px);
    state_.whole_or_null(vote.height_px);
    out.text(iso_time(vote.created_us, time_));
    split_words(vote.purposes, words_);
    out.texts(words_);
    write_details(pair, vote);
    state_.text_or_null(rewrite_of(vote));
    out.messages(prompt_);
    for (const std::string_view text : {pair.a_text, pair.b_text, pair.a_model, pair.b_model})
      out.text(text);
    state_.text_or_null(pair.a_adapter_id);
    state_.text_or_null(pair.b_adapter_id);
    state_.end_row();
  }

  void write_details(const ExportPair& pair, const ExportVote& vote) {
    const auto side = [&](std::string_view generation_id) -> std::optional<std::string_view> {
      if (generation_id == pair.a_id) return "\"answer\":\"a\",";
      if (generation_id == pair.b_id) return "\"answer\":\"b\",";
      return std::nullopt;
    };
    const std::pair<DetailKind, std::string_view> lists[] = {
        {DetailKind::aspects, vote.aspects}, {DetailKind::flags, vote.flags}, {DetailKind::spans, vote.spans}};
    for (const auto& [kind, packed] : lists) {
      if (packed.empty()) {
        state_.out.json("[]");
        continue;
      }
      details_json(kind, packed, side, json_);
      state_.out.json(json_);
    }
  }

  // The one of the same act; one that names no act belongs to the vote that stands.
  std::string_view rewrite_of(const ExportVote& vote) const {
    for (const storage::ExportRewrite& rewrite : pairs_.rewrites()) {
      if (rewrite.act_id == vote.id) return rewrite.text;
      if (rewrite.act_id.empty() && rewrite.exposure_id == vote.exposure_id && !vote.superseded) return rewrite.text;
    }
    return "";
  }

  ExportState& state_;
  storage::PairStream pairs_;
  std::vector<formats::MessageView> prompt_;
  std::vector<std::string_view> words_;
  std::string json_, time_;
};

}  // namespace

void export_judgements(storage::Transaction& t, ExportState& state) {
  Judgements(t, state).run();
}

}  // namespace afina::datasets
