// SPDX-License-Identifier: Apache-2.0
// What annotators hand in. Append-only.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/judgements/details.h"
#include "storage/judgements/screen.h"
#include "storage/tasks/queue.h"
#include "storage/tasks/verdict.h"

namespace afina::storage {

/// About sides as shown; the store turns them to positions.
struct NewSubmission {
  std::string id = new_uuid();
  WhoseAssignment whose;
  std::string visitor_id;  ///< under whose consent
  TaskVerdict verdict;     ///< about sides: 0 is the left one
  struct Span {
    int side = 0;
    int64_t start = 0, end = 0;
    std::string kind, text;
  };
  struct SideFlag {
    int side = 0;
    FlagKind kind = FlagKind::toxic;
    std::string note;
  };
  std::vector<Span> spans;
  std::vector<SideFlag> flags;  ///< with notes; verdict.flags is filled from it
  std::string rewrite;          ///< a better answer; must be there in a rewrite task, may be in others
  std::string reason, reason_language;
  std::optional<int> confidence;
  std::optional<int64_t> ms_to_decide;
  std::optional<Screen> screen;  ///< how the answers stood, where the page told
  std::string idempotency_key;
  std::string body_sha256;  ///< of the request's body
  Source source = Source::web;
  /// Whether an answer seems to name its maker: asked about both answers of a pair, whose exposure keeps it. Empty:
  /// only what other exposures of the pair say.
  std::function<bool(std::string_view)> reveals;
};

/// Said after a training item only.
struct Feedback {
  bool correct = false;
  Json expected;  ///< as the person saw the sides; null where nothing is known
  std::string text;
};
struct PutSubmission {
  std::string id;
  bool created = true;  ///< false where the same key had brought the same body before
  std::optional<Feedback> feedback;
};
/// Writes the submission with its details; of a pair also exposure and preference, of a rewrite of a pair the rewrite;
/// counts; grades training and gold; notes disputes; sends task.submitted and, with the last one, project.finished.
/// Throws NotFound, LeaseLost, Conflict (the key with another body), DataError.
PutSubmission submit(Transaction& t, const NewSubmission& submission);

/// The shortest time in which texts of so many code points can be looked through, milliseconds: one second and 10 ms
/// for each code point (three times as fast as people read), at most 20 s. Sooner is stored as hasty.
int64_t sensible_ms(int64_t code_points);

}  // namespace afina::storage
