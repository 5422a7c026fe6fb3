// SPDX-License-Identifier: Apache-2.0
#include "storage/quality/known_answers.h"

#include "storage/transaction.h"

namespace afina::storage {

std::vector<KnownAnswer> known_answers(Transaction& t, const std::string& project_id) {
  const Result rows = t.exec(
      "SELECT i.id, i.gold, ARRAY(SELECT a.generation_id FROM item_answer a WHERE a.item_id = i.id ORDER BY "
      "a.position) "
      "AS answers FROM item i JOIN conversation c ON c.id = i.conversation_id "
      "WHERE i.project_id = $1::uuid AND i.is_gold AND c.withdrawn_at IS NULL ORDER BY i.id",
      Params().text(project_id));
  std::vector<KnownAnswer> out;
  for (size_t i = 0; i < rows.size(); ++i)
    out.push_back({rows[i].text("id"), rows[i].json("gold"), rows[i].ids("answers")});
  return out;
}

}  // namespace afina::storage
