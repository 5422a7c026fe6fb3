// SPDX-License-Identifier: Apache-2.0
// Plain text, and questions with answers.
#include <array>

#include "base/error.h"
#include "datasets/transfer/parsers.h"

namespace afina::datasets {
namespace {

void emit_answered(const std::string& question, const std::string& answer, int64_t line, const Emit& emit) {
  ImportRecord record;
  record.line = line;
  record.messages.push_back({"user", trimmed(question), ""});
  record.messages.push_back({"assistant", trimmed(answer), ""});
  if (record.messages[0].content.empty() || record.messages[1].content.empty())
    refuse_row("have a question and an answer, but one is empty.");
  emit(std::move(record));
}

// 'q' or 'a' where the line begins a question or an answer; rest: what stands after the mark.
char mark_of(const std::string& line, std::string& rest) {
  static constexpr std::array<std::string_view, 6> kQuestions{"q", "p", "question", "pregunta", "pergunta", "pregunta"};
  static constexpr std::array<std::string_view, 6> kAnswers{"a", "r", "answer", "respuesta", "resposta", "respuesta"};
  const std::string text = trimmed(line);
  const size_t colon = text.find(':');
  if (colon == std::string::npos || colon > 10) return 0;
  const std::string word = lower_ascii(trimmed(std::string_view(text).substr(0, colon)));
  rest = text.substr(colon + 1);
  for (const std::string_view name : kQuestions)
    if (word == name) return 'q';
  for (const std::string_view name : kAnswers)
    if (word == name) return 'a';
  return 0;
}

/// One row of a table (RFC 4180, any of three separators), which may go over several lines.
std::vector<std::string> read_cells(RecordReader& reader, RawRecord line, char separator) {
  std::vector<std::string> cells(1);
  bool quoted = false;
  for (size_t i = 0;; ++i) {
    if (i >= line.text.size()) {
      if (!quoted) return cells;
      cells.back() += '\n';
      if (cells.back().size() > kMostRecordBytes || !reader.next_line(line))
        refuse_row("close its quotes, but does not.");
      i = static_cast<size_t>(-1);
      continue;
    }
    const char c = line.text[i];
    if (quoted && c == '"' && i + 1 < line.text.size() && line.text[i + 1] == '"') {
      cells.back() += '"';
      ++i;
    } else if (c == '"' && (quoted || cells.back().empty())) {
      quoted = !quoted;
    } else if (c == separator && !quoted) {
      cells.emplace_back();
    } else {
      cells.back() += c;
    }
  }
}

char separator_of(const std::string& line) {
  for (const char c : {'\t', ';', ','})
    if (line.find(c) != std::string::npos) return c;
  return ',';
}

bool is_header(const std::vector<std::string>& cells) {
  std::string rest;
  return cells.size() >= 2 && mark_of(trimmed(cells[0]) + ":", rest) == 'q' &&
         mark_of(trimmed(cells[1]) + ":", rest) == 'a';
}

// Runs one row; a bad one is told and the next is read.
template <typename F>
void guarded(const ImportSink& sink, int64_t line, F&& row) {
  try {
    row();
  } catch (const DataError& error) {
    sink.skip({line, printable(error.what())});
  }
}

void read_table(RecordReader& reader, RawRecord line, const ImportSink& sink, const Emit& emit) {
  const char separator = separator_of(line.text);
  bool first = true;
  do {
    if (trimmed(line.text).empty()) continue;
    const int64_t begin = line.line;
    guarded(sink, begin, [&] {
      const auto cells = read_cells(reader, std::move(line), separator);
      if (std::exchange(first, false) && is_header(cells)) return;
      if (cells.size() != 2) refuse_row(cat("have two columns, but has ", cells.size(), "."));
      emit_answered(cells[0], cells[1], begin, emit);
    });
  } while (reader.next_line(line));
}

void read_blocks(RecordReader& reader, RawRecord line, const ImportSink& sink, const Emit& emit) {
  std::string question, answer, rest;
  int64_t begin = line.line;
  char part = 0;
  const auto flush = [&] {
    if (part != 0) guarded(sink, begin, [&] { emit_answered(question, answer, begin, emit); });
    question.clear();
    answer.clear();
  };
  do {
    const char mark = mark_of(line.text, rest);
    if (mark == 'q') {
      flush();
      begin = line.line;
    }
    if (mark != 0) part = mark;
    if (part == 0 && !trimmed(line.text).empty())
      sink.skip({line.line, "[row] must stand under a question, but no question came before."});
    if (part != 0) (part == 'q' ? question : answer) += (mark != 0 ? rest : line.text) + "\n";
    if (question.size() + answer.size() > kMostRecordBytes) {
      sink.skip({begin, "[row] must have at most 8 MiB, but has more."});
      question.clear();
      answer.clear();
      part = 0;
    }
  } while (reader.next_line(line));
  flush();
}

}  // namespace

void emit_prompt(const std::string& words, int64_t line, const std::string& locale, const Emit& emit) {
  // Whole where it is too long, so that it is refused and not shortened to what fits.
  const std::string prompt = words.size() > kMostRecordBytes ? words : trimmed(words);
  if (prompt.empty()) return;
  ImportRecord record;
  record.line = line;
  record.locale = locale;
  record.messages.push_back({"user", prompt, ""});
  emit(std::move(record));
}

void read_text(RecordReader& reader, const Emit& emit) {
  std::string paragraph;
  int64_t begin = 1;
  RawRecord line;
  while (reader.next_line(line)) {
    const bool blank = trimmed(line.text).empty();
    if (!blank && paragraph.empty()) begin = line.line;
    // Beyond the cap nothing is added: what is there is too long already, and is refused as a whole.
    if (!blank && paragraph.size() <= kMostRecordBytes) paragraph += line.text + (line.too_long ? "\n\n" : "\n");
    if (blank) {
      emit_prompt(paragraph, begin, "", emit);
      paragraph.clear();
    }
  }
  emit_prompt(paragraph, begin, "", emit);
}

void read_qa(RecordReader& reader, const ImportSink& sink, const Emit& emit) {
  RawRecord line;
  while (reader.next_line(line)) {
    if (trimmed(line.text).empty()) continue;
    std::string rest;
    return mark_of(line.text, rest) != 0 ? read_blocks(reader, std::move(line), sink, emit)
                                         : read_table(reader, std::move(line), sink, emit);
  }
}

void parse_qa_row(const Json& row, const Emit& emit) {
  const auto first = [&](std::initializer_list<const char*> names) {
    for (const char* name : names)
      if (row.contains(name)) return require_text_at(row, name);
    return std::string();
  };
  std::string question = first({"question", "pregunta", "pergunta", "instruction", "inputs", "prompt", "q"});
  const std::string answer = first({"answer", "respuesta", "resposta", "output", "targets", "response", "a"});
  const std::string more = first({"input", "context"});
  if (!more.empty()) question += "\n\n" + more;
  if (question.empty() || answer.empty()) refuse_row("have a question and an answer, but one is missing or empty.");
  ImportRecord record;
  record.external_id = id_at(row, "id");
  record.locale = locale_at(row, {"locale", "language_code", "lang", "language"});
  record.messages = {{"user", question, ""}, {"assistant", answer, ""}};
  emit(std::move(record));
}

}  // namespace afina::datasets
