// SPDX-License-Identifier: Apache-2.0
// What an export reads: whose consent it needs and which part of the data it wants.
#pragma once
#include <string>

#include "storage/people.h"
#include "storage/sql.h"
#include "storage/types.h"

namespace afina::storage {

/// Nothing withdrawn ever passes, nor anything of people whose newest consent lacks the purpose: neither what they
/// wrote nor how they judged.
struct ExportFilter {
  std::string purpose{kPurposeTrain};
  std::string workspace_id;   ///< empty: every workspace, for the operator's command line
  std::string locale;         ///< "es" takes es-CL too; empty: all
  std::string project_id;     ///< only what was said in that project; empty: all
  std::optional<Time> since;  ///< judgements and conversations from then on
  bool fetch_ahead = true;    ///< false: server and client take turns, for measuring
};

/// ExportFilter::since as people write it: a day, from its beginning in UTC, or a time as time_from_text takes it,
/// which also says what it throws.
inline Time since_from_text(const std::string& text) {
  return time_from_text(text.size() == 10 ? text + " 00:00:00+00" : text);
}

/// For the whole transaction of an export, at its beginning: plans for reading everything, with sort memory that is
/// bounded, however many rows there are.
inline constexpr const char* kExportSettings =
    "SET LOCAL work_mem = '32MB'; SET LOCAL jit = off; SET LOCAL max_parallel_workers_per_gather = 0; "
    "SET LOCAL cursor_tuple_fraction = 1; SET LOCAL statement_timeout = 600000";

}  // namespace afina::storage
