// SPDX-License-Identifier: Apache-2.0
// Markdown: a section is a prompt.
#include <vector>

#include "base/error.h"
#include "datasets/transfer/parsers.h"

namespace afina::datasets {
namespace {

constexpr size_t kMostFrontMatterLines = 200;

// Level of an ATX heading (CommonMark §4.2), or 0.
size_t heading_level(const std::string& line) {
  const size_t indent = line.find_first_not_of(' ');
  if (indent == std::string::npos || indent > 3) return 0;
  size_t hashes = 0;
  while (indent + hashes < line.size() && line[indent + hashes] == '#')
    ++hashes;
  const bool heading = hashes >= 1 && hashes <= 6 && (indent + hashes == line.size() || line[indent + hashes] == ' ');
  return heading ? hashes : 0;
}

std::string heading_text(const std::string& line) {
  std::string text = trimmed(line);
  text.erase(0, text.find_first_not_of('#') == std::string::npos ? text.size() : text.find_first_not_of('#'));
  while (text.ends_with('#'))
    text.pop_back();
  return trimmed(text);
}

// The line under a setext heading (CommonMark §4.3): = or - alone, indented by at most three spaces.
bool underlines(const std::string& line) {
  const size_t indent = line.find_first_not_of(' ');
  if (indent == std::string::npos || indent > 3) return false;
  const std::string text = trimmed(line);
  return (text[0] == '=' || text[0] == '-') && text.find_first_not_of(text[0]) == std::string::npos;
}

// Quotes, lists, tables, tags and indented code are no paragraph, so no line under them makes them a heading.
bool opens_paragraph(const std::string& line) {
  const size_t indent = line.find_first_not_of(' ');
  if (indent == std::string::npos || indent > 3 || line[indent] == '\t') return false;
  const std::string text = trimmed(line);
  if (text.find_first_not_of(text[0]) == std::string::npos &&
      std::string_view("-=*_").find(text[0]) != std::string_view::npos)
    return false;
  const size_t digits = text.find_first_not_of("0123456789");
  const bool numbered = digits != 0 && digits != std::string::npos && (text[digits] == '.' || text[digits] == ')');
  const bool bullet = text.size() > 1 && (text[0] == '-' || text[0] == '*' || text[0] == '+') && text[1] == ' ';
  return !numbered && !bullet && text[0] != '>' && text[0] != '|' && text[0] != '<';
}

// "key: value", a list's entry, a deeper line, a comment or nothing.
bool is_yaml(const std::string& line) {
  const std::string text = trimmed(line);
  const size_t colon = text.find(':');
  return text.empty() || text[0] == '#' || text[0] == '-' || line[0] == ' ' || line[0] == '\t' ||
         (colon != std::string::npos && colon > 0 && text.find(' ') > colon);
}

class Sections {
 public:
  explicit Sections(const Emit& emit) : emit_(emit) {}

  void line(const RawRecord& line) {
    const std::string text = trimmed(line.text);
    const bool fence = text.starts_with("```") || text.starts_with("~~~");
    if (fence) fenced_ = !fenced_;
    if (fenced_ || fence || text.empty()) {
      paragraph_ = std::string::npos;
      return add(line);
    }
    if (heading_level(line.text) > 0) return open(heading_text(line.text), line.line);
    if (paragraph_ != std::string::npos && underlines(line.text)) return open_underlined();
    if (paragraph_ == std::string::npos && !in_block_ && opens_paragraph(line.text)) {
      paragraph_ = body_.size();
      paragraph_line_ = line.line;
    }
    in_block_ = paragraph_ == std::string::npos;
    add(line);
  }

  // A heading alone is a prompt only where it asks something; else it names what stands under it.
  void flush() {
    if (!trimmed(body_).empty() || heading_.ends_with('?'))
      emit_prompt(heading_ + "\n\n" + body_, begin_, locale, emit_);
    body_.clear();
    paragraph_ = std::string::npos;
    in_block_ = false;
  }

  std::string locale;

 private:
  void add(const RawRecord& line) {
    if (trimmed(line.text).empty()) in_block_ = false;
    if (body_.size() <= kMostRecordBytes) body_ += line.text + (line.too_long ? "\n\n" : "\n");
  }

  void open(std::string heading, int64_t line) {
    flush();
    heading_ = std::move(heading);
    begin_ = line;
  }

  void open_underlined() {
    std::string heading;
    std::string_view lines = std::string_view(body_).substr(paragraph_);
    while (!lines.empty()) {
      const size_t end = std::min(lines.find('\n'), lines.size());
      if (!heading.empty()) heading += ' ';
      heading += trimmed(lines.substr(0, end));
      lines.remove_prefix(std::min(end + 1, lines.size()));
    }
    body_.erase(paragraph_);
    open(std::move(heading), paragraph_line_);
  }

  const Emit& emit_;
  std::string heading_, body_;
  int64_t begin_ = 1, paragraph_line_ = 1;
  size_t paragraph_ = std::string::npos;  ///< where the paragraph that is being read begins in body_
  bool fenced_ = false, in_block_ = false;
};

/// Reads front matter if the file begins with it; the lines that were none are left to be read as text.
std::vector<RawRecord> after_front_matter(RecordReader& reader, std::string& locale) {
  std::vector<RawRecord> lines;
  RawRecord line;
  while (lines.size() < kMostFrontMatterLines && reader.next_line(line)) {
    lines.push_back(line);
    if (lines.size() == 1) {
      if (line.text != "---") return lines;
      continue;
    }
    const std::string text = trimmed(line.text);
    if (text == "---" || text == "...") {
      for (const RawRecord& entry : lines) {
        const size_t colon = entry.text.find(':');
        const std::string key = lower_ascii(trimmed(std::string_view(entry.text).substr(0, colon)));
        if (colon == std::string::npos || (key != "lang" && key != "language" && key != "locale")) continue;
        std::string word = trimmed(std::string_view(entry.text).substr(colon + 1));
        std::erase_if(word, [](char c) { return c == '"' || c == '\''; });
        locale = locale_word(word);
      }
      return {};
    }
    if (!is_yaml(line.text)) return lines;
  }
  return lines;
}

}  // namespace

void read_markdown(RecordReader& reader, const Emit& emit) {
  Sections sections(emit);
  for (const RawRecord& line : after_front_matter(reader, sections.locale))
    sections.line(line);
  RawRecord line;
  while (reader.next_line(line))
    sections.line(line);
  sections.flush();
}

}  // namespace afina::datasets
