// SPDX-License-Identifier: Apache-2.0
// One's own details beside the turn they are about.
#pragma once
#include <map>
#include <string>

#include "collector/turns.h"
#include "http/message.h"
#include "storage/judgements/votes.h"

namespace afina::collector {

/// "a" (left) and "b" (right) of a pair to its answers.
std::map<std::string, std::string> answers_of_sides(const storage::ShownPair& shown);

/// The details object of an act as it was sent, sides still in place of answers.
Json said_json(const storage::JudgementDetails& sided, const std::string& rewrite);

/// Puts the details of the person's standing act into a turn's JSON: vote.details of a pair, note of a single answer.
/// Nothing where they said nothing.
void add_own_details(storage::Transaction& t, const storage::ConversationView& view, const Turn& turn, Json& json);

}  // namespace afina::collector
