// SPDX-License-Identifier: Apache-2.0
// What the ways of bringing items share: the batch that makes a request repeatable, and the row itself. Private to
// storage/tasks/.
#pragma once
#include <set>
#include <string>
#include <vector>

#include "storage/tasks/items.h"
#include "storage/transaction.h"

namespace afina::storage {

/// The project as a request that brings items needs it; its row is locked, so batches come one after another.
struct OpenBatch {
  std::string batch_id = new_uuid();
  Project project;
  std::string id_time;  ///< first 12 hexadecimal digits of every item's id: the project's own time
  int64_t round = 0;    ///< of the queue
  ItemSource source = ItemSource::import;
  std::optional<ItemsAdded> repeated;  ///< the same request came before: this was its answer
  int64_t work = 0, training = 0, gold = 0;
  std::set<int> priorities;
};
/// Throws NotFound, Conflict for a key that came with another body.
OpenBatch open_batch(Transaction& t, const ItemRequest& request, ItemSource source);
/// Writes the batch's row; before its items, which refer to it.
void write_batch(Transaction& t, const OpenBatch& batch, const ItemRequest& request, const ItemsAdded& counts);

struct ItemRow {
  std::string conversation_id, pair_id, external_id, feedback;
  int turn = 0, priority = 0;
  bool is_gold = false, training = false;
  std::optional<Json> gold;
  int64_t text_chars = 0;
  std::vector<std::string> generation_ids;
};
void insert_item(Transaction& t, OpenBatch& batch, const ItemRow& row);
/// Counts the batch's items on the project and opens it again where it was finished.
void close_batch(Transaction& t, const OpenBatch& batch);

}  // namespace afina::storage
