// SPDX-License-Identifier: Apache-2.0
// Open-Assistant (oasst1, oasst2): message lines and ready trees. Replies to the same message are candidate answers,
// whose ranks are one ranking; a reply that stands alone is a chat.
#include "base/error.h"
#include "datasets/transfer/parsers.h"

namespace afina::datasets {
namespace {

constexpr size_t kMostMessages = 10'000;
constexpr int kMostDepth = 60;

}  // namespace

OpenAssistantTrees::Node OpenAssistantTrees::read_node(const Json& message, int64_t line) const {
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
  const auto rank = message.find("rank");
  if (rank != message.end() && rank->is_number_integer() && rank->get<int64_t>() >= 0 && rank->get<int64_t>() < 1000)
    node.rank = rank->get<int>();
  const auto labels = message.find("labels");
  if (labels == message.end() || !labels->is_object()) return node;
  if (const auto quality = labels->find("quality"); quality != labels->end() && quality->is_object()) {
    const auto value = quality->find("value");
    if (value != quality->end() && value->is_number()) node.quality = value->get<double>();
  }
  // The published table writes them as {name: [...], value: [...], count: [...]}.
  if (labels->contains("name") && labels->contains("value") && labels->at("name").is_array() &&
      labels->at("value").is_array()) {
    for (size_t i = 0; i < labels->at("name").size() && i < labels->at("value").size(); ++i)
      if (labels->at("name")[i] == "quality" && labels->at("value")[i].is_number())
        node.quality = labels->at("value")[i].get<double>();
  }
  return node;
}

void OpenAssistantTrees::add_tree(const Json& message, int64_t line, size_t parent, int depth) {
  if (depth > kMostDepth || nodes_.size() >= kMostMessages)
    refuse_row("be a tree of at most 10,000 messages and 60 levels, but is larger.");
  nodes_.push_back(read_node(message, line));
  const size_t self = nodes_.size() - 1;
  if (self > 0) nodes_[parent].replies.push_back(self);
  const auto replies = message.find("replies");
  for (const Json& reply : replies != message.end() && replies->is_array() ? *replies : Json::array())
    add_tree(reply, line, self, depth + 1);
}

void OpenAssistantTrees::row(const Json& row, int64_t line, const Emit& emit, const Remark&) {
  if (row.contains("prompt") && row["prompt"].is_object()) {
    finish(emit);
    try {
      add_tree(row["prompt"], line, 0, 1);
    } catch (const DataError&) {
      nodes_.clear();
      throw;
    }
    return finish(emit);
  }
  Node node = read_node(row, line);
  if (node.id.empty()) refuse_row("have a message_id, but has none.");
  const std::string tree = id_at(row, "message_tree_id"), parent = id_at(row, "parent_id");
  if (tree != tree_ || parent.empty()) finish(emit);
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

void OpenAssistantTrees::finish(const Emit& emit) {
  if (!nodes_.empty()) {
    std::vector<ImportMessage> path;
    walk(0, path, emit);
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
    if (nodes_[reply].deleted) continue;
    const int answer = static_cast<int>(record.answers.size());
    record.answers.push_back({nodes_[reply].text, nodes_[reply].model});
    ranking.ranks.push_back(nodes_[reply].rank.value_or(-1));
    ranked += nodes_[reply].rank ? 1 : 0;
    if (!nodes_[reply].quality) continue;
    ImportJudgement score;
    score.kind = ImportJudgement::Kind::score;
    score.answer = answer;
    score.score = *nodes_[reply].quality;
    score.external_id = nodes_[reply].id;
    record.judgements.push_back(std::move(score));
  }
  if (ranked >= 2) record.judgements.push_back(std::move(ranking));
  if (record.answers.size() == 1 && record.judgements.empty()) {
    record.messages.push_back({"assistant", record.answers[0].text, record.answers[0].model});
    record.answers.clear();
  }
  emit(std::move(record));
}

// A prompter's message with its replies is one record; where nobody replied, what was said before it is one already.
void OpenAssistantTrees::walk(size_t index, std::vector<ImportMessage>& path, const Emit& emit) const {
  const Node& node = nodes_[index];
  if (node.deleted) return;
  path.push_back({node.from_person ? "user" : "assistant", node.text, node.model});
  const bool alone = node.from_person && path.size() == 1 && node.replies.empty();
  if (node.from_person && (!node.replies.empty() || alone)) emit_replies(node, path, emit);
  for (const size_t reply : node.replies)
    walk(reply, path, emit);
  path.pop_back();
}

}  // namespace afina::datasets
