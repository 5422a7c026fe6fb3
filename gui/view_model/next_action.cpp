// SPDX-License-Identifier: Apache-2.0
#include "gui/view_model/next_action.h"

#include <algorithm>
#include <cctype>
#include <string_view>

#include "base/cat.h"
#include "gui/view_model/format.h"
#include "gui/view_model/votes.h"

namespace afina::gui {

namespace {

std::string model_of(const LoopData& loop) {
  return loop.base_model.empty() ? "MODEL" : shell_word(loop.base_model);
}

std::string train_command(const LoopData& loop) {
  return cat("afina dpo --model ", model_of(loop), " --snapshot ", shell_word(loop.snapshots.newest_name),
             " --out DIR");
}

NextAction take_snapshot(const LoopData& loop, const Catalogue& texts) {
  const int64_t waiting = loop.snapshots.snapshots == 0 ? loop.votes.votes : loop.votes.outside_newest_snapshot;
  return {ActionKind::take_snapshot, Stage::snapshots, texts(Text::next_snapshot, with_groups(waiting)),
          "afina snapshot create"};
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
          cat("afina runs tail --follow ", shell_word(label))};
}

NextAction about_arena(const LoopData& loop, const Catalogue& texts) {
  const ArenaStage& arena = loop.arena;
  if (arena.votes == 0) {
    return {ActionKind::serve_adapter, Stage::arena, texts(Text::next_serve, loop.adapters.newest_name),
            cat("afina serve --model ", model_of(loop), " --port 8090 --adapter ",
                shell_word(cat(loop.adapters.newest_name, "=", loop.adapters.newest_folder)))};
  }
  const auto rate = win_rate(arena);
  if (arena.votes < kLeastArenaVotes) {
    return {ActionKind::judge_adapter, Stage::arena,
            texts(Text::next_judge, arena.adapter_name, with_groups(arena.votes), with_groups(kLeastArenaVotes)),
            cat("afina adapters show ", shell_word(arena.adapter_name))};
  }
  const std::string interval = cat(percent(rate->low, 0), " – ", percent(rate->high, 0));
  if (rate->low > 0.5) {
    return {ActionKind::publish_or_more, Stage::arena,
            texts(Text::next_wins, arena.adapter_name, percent(rate->rate, 1), interval),
            cat("afina adapters show ", shell_word(arena.adapter_name))};
  }
  return {ActionKind::rethink, Stage::votes,
          texts(Text::next_rethink, arena.adapter_name, percent(rate->rate, 1), interval), "afina snapshot list"};
}

}  // namespace

std::string shell_word(const std::string& word) {
  const bool is_plain = std::all_of(word.begin(), word.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || std::string_view("_./=:@%+-,").find(static_cast<char>(c)) != std::string_view::npos;
  });
  if (is_plain && !word.empty()) return word;
  std::string quoted = "'";
  for (const char c : word) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted.push_back(c);
    }
  }
  return quoted + "'";
}

NextAction next_action(const LoopData& loop, const Catalogue& texts) {
  if (loop.conversations.conversations == 0) {
    return {ActionKind::collect, Stage::conversations, texts(Text::next_collect),
            cat("afina serve --model ", model_of(loop), " --port 8090 & ", kCollectorCommand)};
  }
  if (loop.votes.votes == 0) {
    return {ActionKind::vote, Stage::votes, texts(Text::next_vote, with_groups(loop.conversations.conversations)),
            kCollectorCommand};
  }
  if (loop.runs.running > 0) return about_newest_run(loop, texts);
  if (loop.snapshots.snapshots == 0) return take_snapshot(loop, texts);
  const bool newest_unused = loop.runs.newest_snapshot_id != loop.snapshots.newest_id;
  if (!newest_unused && loop.runs.newest_state == "failed") return about_newest_run(loop, texts);
  if (newest_unused && loop.snapshots.newest_at.value_or(Time{}) >= loop.runs.newest_at.value_or(Time{})) {
    return {ActionKind::train, Stage::runs,
            texts(Text::next_train, loop.snapshots.newest_name, with_groups(loop.snapshots.newest_rows)),
            train_command(loop)};
  }
  const int64_t enough = std::max(kLeastNewVotes, loop.snapshots.newest_rows / 5);
  if (loop.votes.outside_newest_snapshot >= enough) return take_snapshot(loop, texts);
  if (loop.adapters.adapters == 0) {
    return {ActionKind::train, Stage::runs,
            texts(Text::next_train, loop.snapshots.newest_name, with_groups(loop.snapshots.newest_rows)),
            train_command(loop)};
  }
  return about_arena(loop, texts);
}

}  // namespace afina::gui
