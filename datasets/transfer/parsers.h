// SPDX-License-Identifier: Apache-2.0
// One function a format, private to datasets/transfer/. They throw DataError for a row that cannot be read.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "datasets/transfer/import_parser.h"

namespace afina::datasets {

using Emit = std::function<void(ImportRecord)>;
/// A part of a record that gave nothing, while the rest did.
using Remark = std::function<void(const std::string& why)>;
/// The same of rows that lie behind.
using Tell = std::function<void(int64_t line, const std::string& why)>;

[[noreturn]] void refuse_row(const std::string& what, const std::string& hint = "");

// Typed access; "" or nothing where the field is absent or of another kind, unless the name says require.
std::string text_at(const Json& row, const char* name);
std::string require_text_at(const Json& row, const char* name);
/// A text or a whole number as text.
std::string id_at(const Json& row, const char* name);
bool truth_at(const Json& row, const char* name, bool otherwise);
/// [{role|from|author…, content|value|text}]: roles of every tool to system, user, assistant, tool.
std::vector<ImportMessage> messages_of(const Json& list, const std::string& model = "");
/// system, user, assistant or tool for a program's word for it; "" for an unknown one.
std::string role_word(const std::string& word);
/// "en", "pt-BR" as they are, names of languages ("Spanish", "português") as codes; "und" (BCP 47: undetermined) for a
/// name that is not known, "" for no name.
std::string locale_word(const std::string& word);
/// Of the first of these fields that names a known language; "und" where one names an unknown one, "" where none does.
std::string locale_at(const Json& row, std::initializer_list<const char*> names);
std::string lower_ascii(std::string text);
std::string trimmed(std::string_view text);
/// A whole number, the largest one where it is larger; nothing for what is none.
std::optional<int64_t> whole_number(const Json& value);

void read_text(RecordReader& reader, const Emit& emit);
/// One prompt a section (headings with # and underlined ones); YAML front matter gives its language and no prompt.
void read_markdown(RecordReader& reader, const Emit& emit);
/// A prompt without an answer; nothing where it is blank.
void emit_prompt(const std::string& words, int64_t line, const std::string& locale, const Emit& emit);
/// "Q:"/"A:" and "P:"/"R:" blocks, tables of two columns, and JSON with a question and an answer.
void read_qa(RecordReader& reader, const ImportSink& sink, const Emit& emit);
void parse_qa_row(const Json& row, const Emit& emit);

void parse_jsonl_row(const Json& row, const Emit& emit);
void parse_judgement_row(const Json& row, const Emit& emit);  ///< of our own export
void parse_argilla_row(const Json& row, const ParseOptions& options, const Emit& emit, const Remark& remark);
void parse_label_studio_row(const Json& row, const ParseOptions& options, const Emit& emit, const Remark& remark);
void parse_lmsys_row(const Json& row, const Emit& emit);
void parse_sharegpt_row(const Json& row, const Emit& emit);

/// Fields of an annotation tool's record: which is the prompt, which are answers.
struct FieldMap {
  std::vector<ImportMessage> prompt;
  std::vector<ImportAnswer> answers;
  std::map<std::string, int> answer_by_name;  ///< field name to answer
};
/// Throws DataError where no field can be the prompt. Which answer a word names: verdict_words.h.
FieldMap map_fields(const OrderedJson& fields);
/// Messages of Open-Assistant, flat lines (a tree's lines together) or ready trees.
class OpenAssistantTrees {
 public:
  void row(const Json& row, int64_t line, const Emit& emit, const Tell& tell);
  void finish(const Emit& emit, const Tell& tell);

 private:
  struct Node {
    std::string id, text, lang, model;
    bool from_person = false, deleted = false, rejected = false;
    std::optional<int> rank;
    std::vector<std::pair<std::string, double>> marks;  ///< labels by name, 0..1
    int64_t line = 0;
    int depth = 0;
    std::vector<size_t> replies;
  };
  Node read_node(const Json& message, int64_t line, const Tell& tell) const;
  void add_tree(const Json& message, int64_t line, size_t parent, int depth, const Tell& tell);
  size_t replies_below(const Node& node) const;
  bool stands(const Node& node, const Tell& tell) const;
  void walk(size_t node, std::vector<ImportMessage>& path, const Emit& emit, const Tell& tell) const;
  void emit_replies(const Node& node, const std::vector<ImportMessage>& path, const Emit& emit) const;

  std::string tree_;
  std::vector<Node> nodes_;
  std::map<std::string, size_t> by_id_;
};

}  // namespace afina::datasets
