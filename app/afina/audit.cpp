// SPDX-License-Identifier: Apache-2.0
// `afina audit verify`: walks the audit chain.
#include "storage/audit.h"

#include <cstdio>

#include "app/afina/verbs.h"
#include "base/error.h"
#include "storage/database.h"

namespace afina::app {
namespace {

int verify(const Context& context, const std::string& known_head) {
  storage::DatabaseOptions options;
  options.announce = false;
  const auto database = storage::Database::open(storage::database_target(context.database), options);
  const storage::AuditCheck check = database->transaction(
      [&](storage::Transaction& t) { return storage::check_audit(t, known_head); },
      {.isolation = storage::Isolation::repeatable_read, .read_only = true, .workspace = storage::kEveryWorkspace});
  if (check.bad_number > 0) {
    throw DataError(cat("[audit] row ", check.bad_number,
                        " must follow from the row before, but does not: it, or one "
                        "before it, was changed or removed (",
                        check.rows, " rows walked)."));
  }
  if (!check.passed_head) {
    throw DataError(cat("[audit] the chain must hold the noted head ", known_head.substr(0, 64),
                        ", but does not: its "
                        "end was cut off or it is another's (",
                        check.rows, " rows walked)."));
  }
  std::printf("%jd rows walked, the chain is whole; head %s\n", static_cast<intmax_t>(check.rows), check.head.c_str());
  return 0;
}

}  // namespace

void add_audit(CLI::App& app, Context& context) {
  auto head = std::make_shared<std::string>();
  CLI::App* audit = app.add_subcommand("audit", "The audit trail of the collector and the command line");
  audit->require_subcommand(1);
  CLI::App* sub = audit->add_subcommand("verify", "Walk the chain; exit code 3 where it is broken");
  sub->add_option("--head", *head, "a head that an earlier run printed: fails where the trail lost it");
  sub->callback([&context, head] { context.run = [&context, head] { return verify(context, *head); }; });
}

}  // namespace afina::app
