// SPDX-License-Identifier: Apache-2.0
#include "gui/view_model/next_action.h"

#include <algorithm>

#include "base/cat.h"
#include "gui/view_model/format.h"
#include "gui/view_model/votes.h"

namespace afina::gui {

namespace {

std::string model_of(const LoopData& loop) {
  return loop.base_model.empty() ? "MODEL" : loop.base_model;
}

NextAction take_snapshot(const LoopData& loop, const Catalogue& texts) {
  const int64_t waiting = loop.snapshots.snapshots == 0 ? loop.votes.votes : loop.votes.outside_newest_snapshot;
  return {ActionKind::take_snapshot, Stage::snapshots, texts(Text::next_snapshot, with_groups(waiting)),
          "afina snapshot create --name NAME"};
}

NextAction about_newest_run(const LoopData& loop, const Catalogue& texts) {
  const RunStage& run = loop.runs;
  const std::string label = run.newest_name.empty() ? short_id(run.newest_id) : run.newest_name;
  if (run.newest_state == "failed") {
    return {ActionKind::resume_run, Stage::runs, texts(Text::next_resume, label, one_line(run.newest_error, 160)),
            cat("afina ", run.newest_method.empty() ? "dpo" : run.newest_method, " --resume --out DIR")};
  }
  return {ActionKind::watch_run, Stage::runs,
          run.newest_max_steps > 0
              ? texts(Text::next_watch_of, label, with_groups(run.newest_step), with_groups(run.newest_max_steps))
              : texts(Text::next_watch, label, with_groups(run.newest_step)),
          cat("afina runs tail ", run.newest_id)};
}

NextAction about_arena(const LoopData& loop, const Catalogue& texts) {
  const ArenaStage& arena = loop.arena;
  if (arena.votes == 0) {
    return {ActionKind::serve_adapter, Stage::arena, texts(Text::next_serve, loop.adapters.newest_name),
            cat("afina serve --model ", model_of(loop), " --adapter ", loop.adapters.newest_id)};
  }
  const auto rate = win_rate(arena);
  if (arena.votes < kLeastArenaVotes) {
    return {ActionKind::judge_adapter, Stage::arena,
            texts(Text::next_judge, arena.adapter_name, with_groups(arena.votes), with_groups(kLeastArenaVotes)),
            cat("afina adapters show ", arena.adapter_id)};
  }
  const std::string interval = cat(percent(rate->low, 0), " – ", percent(rate->high, 0));
  if (rate->low > 0.5) {
    return {ActionKind::publish_or_more, Stage::arena,
            texts(Text::next_wins, arena.adapter_name, percent(rate->rate, 1), interval),
            cat("afina adapters show ", arena.adapter_id)};
  }
  return {ActionKind::rethink, Stage::votes,
          texts(Text::next_rethink, arena.adapter_name, percent(rate->rate, 1), interval), "afina snapshot list"};
}

}  // namespace

NextAction next_action(const LoopData& loop, const Catalogue& texts) {
  if (loop.conversations.conversations == 0) {
    return {ActionKind::collect, Stage::conversations, texts(Text::next_collect),
            cat("afina serve --model ", model_of(loop), " & afina-collector")};
  }
  if (loop.votes.votes == 0) {
    return {ActionKind::vote, Stage::votes, texts(Text::next_vote, with_groups(loop.conversations.conversations)),
            "afina-collector"};
  }
  if (loop.runs.running > 0) return about_newest_run(loop, texts);
  if (loop.snapshots.snapshots == 0) return take_snapshot(loop, texts);
  const bool newest_unused = loop.runs.newest_snapshot_id != loop.snapshots.newest_id;
  if (!newest_unused && loop.runs.newest_state == "failed") return about_newest_run(loop, texts);
  if (newest_unused && loop.snapshots.newest_at.value_or(Time{}) >= loop.runs.newest_at.value_or(Time{})) {
    return {ActionKind::train, Stage::runs,
            texts(Text::next_train, loop.snapshots.newest_name, with_groups(loop.snapshots.newest_rows)),
            cat("afina dpo --model ", model_of(loop), " --snapshot ", loop.snapshots.newest_id, " --out DIR")};
  }
  const int64_t enough = std::max(kLeastNewVotes, loop.snapshots.newest_rows / 5);
  if (loop.votes.outside_newest_snapshot >= enough) return take_snapshot(loop, texts);
  if (loop.adapters.adapters == 0) {
    return {ActionKind::train, Stage::runs,
            texts(Text::next_train, loop.snapshots.newest_name, with_groups(loop.snapshots.newest_rows)),
            cat("afina dpo --model ", model_of(loop), " --snapshot ", loop.snapshots.newest_id, " --out DIR")};
  }
  return about_arena(loop, texts);
}

}  // namespace afina::gui
