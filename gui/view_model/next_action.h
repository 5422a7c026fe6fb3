// SPDX-License-Identifier: Apache-2.0
// The one thing to do next, from the counts of the loop: a sentence in the person's language and the command line for
// it. A pure function, so that every case has a test.
#pragma once
#include <string>

#include "gui/catalogue.h"
#include "gui/view_model/data.h"

namespace afina::gui {

enum class ActionKind {
  collect,          ///< nobody has talked to a model yet
  vote,             ///< conversations, but no votes
  take_snapshot,    ///< votes that no snapshot holds
  watch_run,        ///< a run is on its way
  resume_run,       ///< the newest run failed
  train,            ///< a snapshot that no run has used
  serve_adapter,    ///< an adapter nobody has judged
  judge_adapter,    ///< too few arena votes to tell
  publish_or_more,  ///< the adapter wins: keep collecting
  rethink,          ///< the adapter does not win
};

/// The stage of the picture that the action belongs to.
enum class Stage { conversations, votes, snapshots, runs, adapters, arena };

struct NextAction {
  ActionKind kind = ActionKind::collect;
  Stage stage = Stage::conversations;
  std::string sentence;
  std::string command;  ///< may hold placeholders in capitals, as in the manual: MODEL, DIR
};

/// The collector before a model served by `afina serve --port 8090`.
inline constexpr const char* kCollectorCommand = "afina-collector --upstream base=http://127.0.0.1:8090";

/// Votes outside the newest snapshot that make another one worthwhile: a fifth of its rows, at least 10.
inline constexpr int64_t kLeastNewVotes = 10;
/// Arena votes below which nothing is concluded.
inline constexpr int64_t kLeastArenaVotes = 30;

/// A word as a POSIX shell takes it: as it is where that is safe, else in single quotes. Names and paths come from
/// people.
std::string shell_word(const std::string& word);

NextAction next_action(const LoopData& loop, const Catalogue& texts);

}  // namespace afina::gui
