// SPDX-License-Identifier: Apache-2.0
#include "datasets/transfer/export_rows.h"
#include "datasets/transfer/jsonl_writer.h"
#include "storage/transfer/packed_text.h"
#include "storage/transfer/pair_stream.h"

namespace afina::datasets {
namespace {

using storage::ExportPair;
using storage::ExportVote;

// Parts of a tag: GENERATION/ASPECT/VALUE and the like.
struct Tag {
  explicit Tag(std::string_view tag) {
    for (std::string_view& part : parts) {
      const size_t slash = tag.find('/');
      part = tag.substr(0, slash);
      tag.remove_prefix(slash == std::string_view::npos ? tag.size() : slash + 1);
    }
  }
  std::string_view parts[4];
};

class Judgements {
 public:
  Judgements(storage::Transaction& t, ExportState& state) : state_(state), pairs_(t, state.request.filter) {}

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
    whole_or_null(vote.grade);
    whole_or_null(vote.confidence);
    out.text(vote.reason);
    state_.text_or_null(vote.reason_language);
    whole_or_null(vote.ms_to_decide);
    out.truth(vote.blind);
    out.truth(vote.superseded);
    state_.text_or_null(vote.supersedes_id);
    out.text(vote.a_on_left ? "a" : "b");
    out.truth(vote.leak_a);
    out.truth(vote.leak_b);
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

  void whole_or_null(const std::optional<int64_t>& value) { value ? state_.out.whole(*value) : state_.out.null(); }

  // Aspects, flags, spans.
  void write_details(const ExportPair& pair, const ExportVote& vote) {
    static constexpr const char* kSecond[] = {"aspect", "kind", "kind"};
    const std::string* lists[] = {&vote.aspects, &vote.flags, &vote.spans};
    for (size_t which = 0; which < 3; ++which) {
      if (lists[which]->empty()) {
        state_.out.json("[]");
        continue;
      }
      json_.assign(1, '[');
      storage::PackedText list(*lists[which]);
      while (list.next()) {
        const Tag tag(list.tag());
        const bool on_a = tag.parts[0] == pair.a_id;
        if (!on_a && tag.parts[0] != pair.b_id) continue;
        json_ += cat(json_.size() > 1 ? "," : "", "{\"answer\":\"", on_a ? "a" : "b", "\",\"", kSecond[which], "\":");
        append_json_text(json_, tag.parts[1]);
        if (which == 0) json_ += cat(",\"value\":", tag.parts[2]);
        if (which == 2) json_ += cat(",\"start\":", tag.parts[2], ",\"end\":", tag.parts[3]);
        if (which > 0) {
          json_ += ",\"note\":";
          append_json_text(json_, list.text());
        }
        json_ += "}";
      }
      state_.out.json(json_ += "]");
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
