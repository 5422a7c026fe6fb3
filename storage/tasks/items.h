// SPDX-License-Identifier: Apache-2.0
// Items of a project: prompts with stored answers. What engineers bring becomes a conversation of the workspace's
// importer with its messages and generations, so that everything later (votes, snapshots, exports) reads one shape.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "storage/tasks/projects.h"
#include "storage/tasks/verdict.h"

namespace afina::storage {

inline constexpr size_t kMaxItemAnswers = 26;
inline constexpr size_t kMaxItemsOfRequest = 5000;

struct PromptMessage {
  std::string role, content;  ///< role: system, user, assistant
};
struct GivenAnswer {
  std::string text, model;  ///< model may be empty
};
struct NewItem {
  std::string external_id;            ///< unique in the project; may be empty
  std::vector<PromptMessage> prompt;  ///< at least one
  std::vector<GivenAnswer> answers;   ///< 1..26; pairwise 2, ranking at least 2
  std::optional<Json> gold;           ///< a verdict about answers in this order, see verdict_from_json
  bool training = false;              ///< with gold: shown in training instead of among the work
  std::string feedback;               ///< said after a training item; at most 4000 bytes
  int priority = 0;                   ///< 0..9, higher first
};

struct ItemRequest {
  std::string project_id, workspace_id, account_id;
  std::string idempotency_key;
  std::string body_sha256;  ///< of the whole request: the same key with another one is refused
  /// add_items: whose consent the texts stand under, a visitor; empty: the workspace's importer, for training and
  /// review.
  std::string owner_id = {};
};
struct ItemsAdded {
  int64_t added = 0, existing = 0;
};
/// All or nothing. Items with a known external_id are counted as existing and left as they are. Throws DataError naming
/// the item ("items[3]"), NotFound (an owner who withdrew too), Conflict.
ItemsAdded add_items(Transaction& t, const ItemRequest& request, const std::vector<NewItem>& items);

/// Pairs of the workspace's conversations whose writers allow review, fewest votes first. Pairwise projects take the
/// pair; the others its two answers. locale empty: all.
ItemsAdded add_items_from_conversations(Transaction& t, const ItemRequest& request, const std::string& locale,
                                        int64_t limit);
/// Pairs on which a run and the votes part most: largest example loss first. run_id empty: the newest run that has
/// losses. NotFound: no such run or no losses.
ItemsAdded add_items_from_review(Transaction& t, const ItemRequest& request, const std::string& run_id, int64_t limit);

struct ExampleLossRow {
  std::string split = "train";
  int64_t row = 0;
  double loss = 0;
};
/// The last loss of each row; later calls replace. NaN and infinities are left out.
void put_example_losses(Transaction& t, const std::string& run_id, const std::vector<ExampleLossRow>& rows);
bool has_example_losses(Transaction& t, const std::string& run_id);

/// A submission as reviewers see it: a pseudonym that holds within the project.
struct SubmissionView {
  std::string id, annotator, reason, rewrite;
  TaskVerdict verdict;  ///< about positions
  bool hasty = false;
  std::optional<bool> correct;
  std::optional<int> confidence;
  std::optional<int64_t> ms_to_decide;
  Time created_at{};
};
struct AdjudicationView {
  std::string id, note;
  Json verdict;
  Time created_at{};
};
struct ItemView {
  std::string id, external_id;
  ItemSource source = ItemSource::import;
  int priority = 0;
  bool is_gold = false, training = false, closed = false, disputed = false;
  std::optional<int> overlap;
  int done_count = 0, active_leases = 0;
  std::optional<double> spread;
  std::optional<Json> gold;
  std::vector<PromptMessage> prompt;
  std::vector<std::string> answers;  ///< texts by position
  std::vector<SubmissionView> submissions;
  std::optional<AdjudicationView> adjudication;  ///< the one that stands
};
/// disputed: those whose submissions part and that nobody adjudicated; decided: those with a verdict that stands.
enum class WhichItems { all, disputed, decided };
/// By id, descending, ids before `before`.
std::vector<ItemView> list_items(Transaction& t, const Project& project, WhichItems which, int64_t limit,
                                 const std::string& before);

}  // namespace afina::storage
