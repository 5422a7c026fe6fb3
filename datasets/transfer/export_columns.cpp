// SPDX-License-Identifier: Apache-2.0
#include <chrono>

#include "datasets/transfer/export_rows.h"
#include "storage/transfer/packed_text.h"

namespace afina::datasets {

using formats::Column;
using formats::ColumnKind;

namespace {

using K = ColumnKind;

std::vector<Column> judgements_columns() {
  return {{"judgement_id", K::text},
          {"pair_id", K::text},
          {"conversation_id", K::text},
          {"turn", K::whole},
          {"locale", K::text},
          {"source", K::text},
          {"annotator", K::text},
          {"outcome", K::text},
          {"grade", K::whole},
          {"confidence", K::whole},
          {"reason", K::text},
          {"reason_language", K::text},
          {"ms_to_decide", K::whole},
          {"blind", K::truth},
          {"superseded", K::truth},
          {"supersedes_id", K::text},
          {"left", K::text},
          {"leak_a", K::truth},
          {"leak_b", K::truth},
          {"shown_layout", K::text},
          {"shown_width_px", K::whole},
          {"shown_height_px", K::whole},
          {"created_at", K::text},
          {"purposes", K::texts},
          {"aspects", K::json},
          {"flags", K::json},
          {"spans", K::json},
          {"rewrite", K::text},
          {"prompt", K::messages},
          {"answer_a", K::text},
          {"answer_b", K::text},
          {"model_a", K::text},
          {"model_b", K::text},
          {"adapter_a", K::text},
          {"adapter_b", K::text}};
}

std::vector<Column> dpo_columns() {
  return {{"prompt", K::messages},
          {"chosen", K::messages},
          {"rejected", K::messages},
          {"soft_label", K::real},
          {"tie", K::real},
          {"margin", K::real},
          {"weight", K::real},
          {"grades", K::json},
          {"annotators", K::texts},
          {"locale", K::text},
          {"pair_id", K::text},
          {"chosen_model", K::text},
          {"rejected_model", K::text},
          {"preference_ids", K::texts}};
}

std::vector<Column> sft_columns() {
  return {{"prompt", K::messages},
          {"completion", K::messages},
          {"locale", K::text},
          {"origin", K::text},
          {"pair_id", K::text}};
}

std::vector<Column> kto_columns() {
  return {{"prompt", K::messages}, {"completion", K::messages}, {"label", K::truth}, {"probability", K::real},
          {"weight", K::real},     {"locale", K::text},         {"model", K::text},  {"pair_id", K::text}};
}

std::vector<Column> rankings_columns() {
  return {{"prompt", K::messages}, {"completions", K::message_lists},
          {"weight", K::real},     {"annotator", K::text},
          {"locale", K::text},     {"ranking_id", K::text}};
}

std::vector<Column> conversations_columns() {
  return {{"conversation_id", K::text}, {"locale", K::text},     {"mode", K::text},
          {"source", K::text},          {"created_at", K::text}, {"purposes", K::texts},
          {"messages", K::messages},    {"models", K::texts},    {"answers", K::json}};
}

std::vector<Column> submissions_columns() {
  return {{"submission_id", K::text},
          {"project_id", K::text},
          {"project", K::text},
          {"item_id", K::text},
          {"external_id", K::text},
          {"conversation_id", K::text},
          {"locale", K::text},
          {"kind", K::text},
          {"phase", K::text},
          {"source", K::text},
          {"annotator", K::text},
          {"prompt", K::messages},
          {"answers", K::json},
          {"shown_order", K::json},
          {"shown_layout", K::text},
          {"shown_width_px", K::whole},
          {"shown_height_px", K::whole},
          {"outcome", K::text},
          {"grade", K::whole},
          {"tiers", K::json},
          {"aspects", K::json},
          {"flags", K::json},
          {"spans", K::json},
          {"rewrite", K::text},
          {"reason", K::text},
          {"reason_language", K::text},
          {"confidence", K::whole},
          {"ms_to_decide", K::whole},
          {"ms_on_screen", K::whole},
          {"hasty", K::truth},
          {"correct", K::truth},
          {"guidelines_version", K::whole},
          {"created_at", K::text},
          {"preference_id", K::text},
          {"adjudication_id", K::text},
          {"purposes", K::texts}};
}

std::vector<Column> notes_columns() {
  return {{"note_id", K::text},       {"conversation_id", K::text}, {"generation_id", K::text},
          {"turn", K::whole},         {"locale", K::text},          {"source", K::text},
          {"annotator", K::text},     {"prompt", K::messages},      {"answer", K::text},
          {"model", K::text},         {"adapter", K::text},         {"aspects", K::json},
          {"flags", K::json},         {"spans", K::json},           {"rewrite", K::text},
          {"reason", K::text},        {"reason_language", K::text}, {"superseded", K::truth},
          {"supersedes_id", K::text}, {"created_at", K::text},      {"purposes", K::texts}};
}

std::vector<Column> scores_columns() {
  return {{"score_id", K::text},   {"conversation_id", K::text}, {"generation_id", K::text}, {"turn", K::whole},
          {"locale", K::text},     {"source", K::text},          {"file", K::text},          {"annotator", K::text},
          {"prompt", K::messages}, {"answer", K::text},          {"model", K::text},         {"adapter", K::text},
          {"question", K::text},   {"value", K::real},           {"scale", K::real},         {"superseded", K::truth},
          {"created_at", K::text}, {"purposes", K::texts}};
}

}  // namespace

std::vector<Column> export_columns(ExportKind kind) {
  switch (kind) {
    case ExportKind::judgements:
      return judgements_columns();
    case ExportKind::dpo:
      return dpo_columns();
    case ExportKind::sft:
      return sft_columns();
    case ExportKind::kto:
      return kto_columns();
    case ExportKind::rankings:
      return rankings_columns();
    case ExportKind::conversations:
      return conversations_columns();
    case ExportKind::submissions:
      return submissions_columns();
    case ExportKind::notes:
      return notes_columns();
    case ExportKind::scores:
      return scores_columns();
  }
  return {};
}

void unpack_messages(std::string_view packed, std::vector<formats::MessageView>& out) {
  out.clear();
  storage::PackedText list(packed);
  while (list.next()) {
    const std::string_view tag = list.tag();
    out.push_back({tag == "u" ? "user" : tag == "a" ? "assistant" : tag == "t" ? "tool" : "system", list.text()});
  }
}

std::string iso_time(std::string_view text) {
  std::string out(text.substr(0, text.ends_with("+00") ? text.size() - 3 : text.size()));
  if (out.size() > 10) out[10] = 'T';
  out += 'Z';
  return out;
}

std::string_view iso_time(int64_t micros, std::string& out) {
  const std::chrono::sys_time<std::chrono::microseconds> when{std::chrono::microseconds(micros)};
  const std::chrono::sys_days day = std::chrono::floor<std::chrono::days>(when);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(when - day);
  const auto put = [&](size_t at, int64_t value, size_t digits) {
    for (size_t i = digits; i-- > 0; value /= 10)
      out[at + i] = static_cast<char>('0' + value % 10);
  };
  out = "0000-00-00T00:00:00.000000Z";
  put(0, static_cast<int>(date.year()), 4);
  put(5, static_cast<unsigned>(date.month()), 2);
  put(8, static_cast<unsigned>(date.day()), 2);
  put(11, time.hours().count(), 2);
  put(14, time.minutes().count(), 2);
  put(17, time.seconds().count(), 2);
  put(20, time.subseconds().count(), 6);
  return out;
}

void split_words(std::string_view words, std::vector<std::string_view>& out) {
  out.clear();
  while (!words.empty()) {
    const size_t blank = words.find(' ');
    out.push_back(words.substr(0, blank));
    words.remove_prefix(blank == std::string_view::npos ? words.size() : blank + 1);
  }
}

}  // namespace afina::datasets
