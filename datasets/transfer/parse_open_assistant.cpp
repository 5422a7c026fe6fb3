// SPDX-License-Identifier: Apache-2.0
// Open-Assistant (oasst1, oasst2): message lines and ready trees. Replies to the same message are candidate answers,
// whose ranks are one ranking and whose labels are scores of that name; a reply that stands alone without them is a
// chat. Labels of what prompters wrote, emojis and the detector's toxicity are not kept: they judge no answer.
#include <algorithm>

#include "base/error.h"
#include "datasets/transfer/parsers.h"

namespace afina::datasets {
namespace {

constexpr size_t kMostMessages = 10'000;
constexpr int kMostDepth = 60;

// {name: {value, count}}, or as the published table writes them {name: [...], value: [...], count: [...]}.
std::vector<std::pair<std::string, double>> marks_of(const Json& labels) {
  std::vector<std::pair<std::string, double>> out;
  const auto names = labels.find("name"), values = labels.find("value");
  if (names != labels.end() && values != labels.end() && names->is_array() && values->is_array()) {
    for (size_t i = 0; i < names->size() && i < values->size(); ++i)
      if (names->at(i).is_string() && values->at(i).is_number())
        out.emplace_back(names->at(i).get<std::string>(), values->at(i).get<double>());
    return out;
  }
  for (const auto& [name, label] : labels.items()) {
    if (!label.is_object()) continue;
    const auto value = label.find("value");
    if (value != label.end() && value->is_number()) out.emplace_back(name, value->get<double>());
  }
  return out;
}

}  // namespace

OpenAssistantTrees::Node OpenAssistantTrees::read_node(const Json& message, int64_t line, const Tell& tell) const {
  Node node;
  node.line = line;
  node.id = id_at(message, "message_id");
  node.text = require_text_at(message, "text");
  const std::string role = role_word(require_text_at(message, "role"));
  if (role != "user" && role != "assistant") refuse_row("have the role prompter or assistant, but has another.");
  node.from_person = role == "user";
  node.lang = locale_word(text_at(message, "lang"));
  node.model = text_at(message, "model_name");
  node.deleted = truth_at(message, "deleted", false);
  node.rejected = !truth_at(message, "review_result", true);
  const auto rank = message.find("rank");
  const auto place = rank == message.end() ? std::nullopt : whole_number(*rank);
  if (place && *place >= 0 && *place <= kMostRank)
    node.rank = static_cast<int>(*place);
  else if (rank != message.end() && !rank->is_null())
    tell(line, cat("[row] must have a rank of 0 to ", kMostRank, ", but has another; it stays unranked."));
  const auto labels = message.find("labels");
  if (labels == message.end() || !labels->is_object()) return node;
  for (auto& [question, value] : marks_of(*labels)) {
    if (value >= 0.0 && value <= 1.0)
      node.marks.emplace_back(std::move(question), value);
    else
      tell(line, cat("[row] must have labels of 0 to 1, but \"", printable(question, 60), "\" is ", value, "."));
  }
  return node;
}

void OpenAssistantTrees::add_tree(const Json& message, int64_t line, size_t parent, int depth, const Tell& tell) {
  if (depth > kMostDepth || nodes_.size() >= kMostMessages)
    refuse_row("be a tree of at most 10,000 messages and 60 levels, but is larger.");
  nodes_.push_back(read_node(message, line, tell));
  const size_t self = nodes_.size() - 1;
  if (self > 0) nodes_[parent].replies.push_back(self);
  const auto replies = message.find("replies");
  for (const Json& reply : replies != message.end() && replies->is_array() ? *replies : Json::array())
    add_tree(reply, line, self, depth + 1, tell);
}

void OpenAssistantTrees::row(const Json& row, int64_t line, const Emit& emit, const Tell& tell) {
  if (row.contains("prompt") && row["prompt"].is_object()) {
    finish(emit, tell);
    try {
      add_tree(row["prompt"], line, 0, 1, tell);
    } catch (const DataError&) {
      nodes_.clear();
      throw;
    }
    return finish(emit, tell);
  }
  Node node = read_node(row, line, tell);
  if (node.id.empty()) refuse_row("have a message_id, but has none.");
  const std::string tree = id_at(row, "message_tree_id"), parent = id_at(row, "parent_id");
  if (tree != tree_ || parent.empty()) finish(emit, tell);
  tree_ = tree;
  if (nodes_.size() >= kMostMessages) refuse_row("be in a tree of at most 10,000 messages, but it has more.");
  const auto above = by_id_.find(parent);
  if (!parent.empty() && above == by_id_.end())
    refuse_row("stand behind its parent in the same tree, but the parent is not there.");
  if (by_id_.count(node.id) > 0) refuse_row("have a message_id of its own, but it was there before.");
  node.depth = above == by_id_.end() || parent.empty() ? 1 : nodes_[above->second].depth + 1;
  if (node.depth > kMostDepth) refuse_row(cat("be at most ", kMostDepth, " levels deep in its tree, but is deeper."));
  by_id_[node.id] = nodes_.size();
  if (above != by_id_.end() && !parent.empty()) nodes_[above->second].replies.push_back(nodes_.size());
  nodes_.push_back(std::move(node));
}

void OpenAssistantTrees::finish(const Emit& emit, const Tell& tell) {
  if (!nodes_.empty()) {
    std::vector<ImportMessage> path;
    walk(0, path, emit, tell);
  }
  nodes_.clear();
  by_id_.clear();
  tree_.clear();
}

void OpenAssistantTrees::emit_replies(const Node& node, const std::vector<ImportMessage>& path,
                                      const Emit& emit) const {
  ImportRecord record;
  record.line = node.line;
  record.external_id = node.id;
  record.locale = node.lang;
  record.messages = path;
  ImportJudgement ranking;
  ranking.kind = ImportJudgement::Kind::ranking;
  ranking.external_id = node.id;
  size_t ranked = 0;
  for (const size_t reply : node.replies) {
    if (nodes_[reply].deleted || nodes_[reply].rejected) continue;
    const int answer = static_cast<int>(record.answers.size());
    record.answers.push_back({nodes_[reply].text, nodes_[reply].model});
    ranking.ranks.push_back(nodes_[reply].rank.value_or(-1));
    ranked += nodes_[reply].rank ? 1 : 0;
    for (const auto& [question, value] : nodes_[reply].marks) {
      ImportJudgement score;
      score.kind = ImportJudgement::Kind::score;
      score.answer = answer;
      score.score = value;
      score.question = question;
      score.external_id = nodes_[reply].id;
      record.judgements.push_back(std::move(score));
    }
  }
  if (ranked >= 2) record.judgements.push_back(std::move(ranking));
  if (record.answers.size() == 1 && record.judgements.empty()) {
    record.messages.push_back({"assistant", record.answers[0].text, record.answers[0].model});
    record.answers.clear();
  }
  emit(std::move(record));
}

size_t OpenAssistantTrees::replies_below(const Node& node) const {
  size_t count = node.replies.size();
  for (const size_t reply : node.replies)
    count += replies_below(nodes_[reply]);
  return count;
}

// What its own site took back, or what its reviewers did not let pass, is no answer and carries none.
bool OpenAssistantTrees::stands(const Node& node, const Tell& tell) const {
  if (!node.deleted && !node.rejected) return true;
  tell(node.line,
       cat("[row] must be ", node.deleted ? "kept by its site, but is deleted" : "passed by its reviewers, but is not",
           "; left out with the ", replies_below(node), " messages below it."));
  return false;
}

// A prompter's message with its replies is one record; where nobody replied, what was said before it is one already.
void OpenAssistantTrees::walk(size_t index, std::vector<ImportMessage>& path, const Emit& emit,
                              const Tell& tell) const {
  const Node& node = nodes_[index];
  if (!stands(node, tell)) return;
  path.push_back({node.from_person ? "user" : "assistant", node.text, node.model});
  const bool answered = std::any_of(node.replies.begin(), node.replies.end(),
                                    [&](size_t reply) { return !nodes_[reply].deleted && !nodes_[reply].rejected; });
  if (node.from_person && (answered || path.size() == 1)) emit_replies(node, path, emit);
  for (const size_t reply : node.replies)
    walk(reply, path, emit, tell);
  path.pop_back();
}

}  // namespace afina::datasets
