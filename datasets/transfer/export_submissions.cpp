// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"
#include "datasets/transfer/detail_json.h"
#include "datasets/transfer/export_rows.h"
#include "datasets/transfer/jsonl_writer.h"
#include "storage/transfer/packed_text.h"
#include "storage/transfer/submission_stream.h"

namespace afina::datasets {
namespace {

using storage::ExportSubmission;

class Submissions {
 public:
  Submissions(storage::Transaction& t, ExportState& state) : state_(state), rows_(t, state.request.filter) {}

  void run() {
    while (rows_.next())
      write(rows_.row());
  }

 private:
  void write(const ExportSubmission& row) {
    formats::RowWriter& out = state_.out;
    for (const std::string_view text : {row.id, row.project_id, row.project, row.item_id})
      out.text(text);
    state_.text_or_null(row.external_id);
    for (const std::string_view text : {row.conversation_id, row.locale, row.kind, row.phase, row.source})
      out.text(text);
    out.text(state_.pseudonyms.of(row.annotator_id));
    unpack_messages(row.prompt, prompt_);
    out.messages(prompt_);
    write_answers(row.answers);
    out.json(row.shown_order);
    state_.text_or_null(row.layout);
    for (const auto& size : {row.width_px, row.height_px})
      state_.whole_or_null(size);
    write_verdict(row);
    state_.text_or_null(row.rewrite);
    out.text(row.reason);
    state_.text_or_null(row.reason_language);
    for (const auto& number : {row.confidence, row.ms_to_decide})
      state_.whole_or_null(number);
    out.whole(row.ms_on_screen);
    out.truth(row.hasty);
    row.correct ? out.truth(*row.correct) : out.null();
    out.whole(row.guidelines_version);
    out.text(iso_time(row.created_us, time_));
    state_.text_or_null(row.preference_id);
    state_.text_or_null(row.adjudication_id);
    split_words(row.purposes, words_);
    out.texts(words_);
    state_.end_row();
  }

  void write_verdict(const ExportSubmission& row) {
    state_.text_or_null(row.outcome);
    state_.whole_or_null(row.grade);
    row.tiers.empty() ? state_.out.null() : state_.out.json(row.tiers);
    const auto position = [&](std::string_view generation_id) -> std::optional<std::string_view> {
      for (const Answer& answer : answers_)
        if (answer.generation_id == generation_id) return answer.member;
      return std::nullopt;
    };
    const std::pair<DetailKind, std::string_view> lists[] = {
        {DetailKind::aspects, row.aspects}, {DetailKind::flags, row.flags}, {DetailKind::spans, row.spans}};
    for (const auto& [kind, packed] : lists) {
      details_json(kind, packed, position, json_);
      state_.out.json(json_);
    }
  }

  // [{position, text, model, adapter}]; and where each generation stands, for the details.
  void write_answers(std::string_view packed) {
    answers_.clear();
    json_.assign(1, '[');
    storage::PackedText list(packed);
    while (list.next()) {
      const std::string_view tag = list.tag();
      if (tag == "m") {
        json_ += ",\"model\":";
        append_json_text(json_, list.text());
      } else if (tag == "d") {
        json_ += ",\"adapter\":";
        if (list.text().empty())
          json_ += "null";
        else
          append_json_text(json_, list.text());
        json_ += '}';
      } else {
        const size_t slash = tag.find('/');
        answers_.push_back({tag.substr(slash + 1), cat("\"position\":", tag.substr(0, slash), ",")});
        json_ += cat(answers_.size() > 1 ? "," : "", "{", answers_.back().member, "\"text\":");
        append_json_text(json_, list.text());
      }
    }
    state_.out.json(json_ += ']');
  }

  struct Answer {
    std::string_view generation_id;
    std::string member;  ///< of a JSON object
  };

  ExportState& state_;
  storage::SubmissionStream rows_;
  std::vector<formats::MessageView> prompt_;
  std::vector<std::string_view> words_;
  std::vector<Answer> answers_;
  std::string json_, time_;
};

}  // namespace

void export_submissions(storage::Transaction& t, ExportState& state) {
  Submissions(t, state).run();
}

}  // namespace afina::datasets
