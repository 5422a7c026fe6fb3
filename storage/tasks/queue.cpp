// SPDX-License-Identifier: Apache-2.0
// Who gets which item. A person's place in the queue (queue_place) keeps what they did long ago from being walked
// again; what opens later goes to a later round, so it is always ahead of every place.
#include "storage/tasks/queue.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "storage/tasks/queue_detail.h"

namespace afina::storage {
namespace {

constexpr int kPlaceEvery = 16;  // leases between two notes of a person's place
constexpr int64_t kFromStart = 0;

// What a lease was found on.
struct Found {
  std::string item_id;
  std::string earlier_assignment;  // the person's own row that is taken up again; empty: a new one
};

// One search for an open item of a priority, from a key on. The inner SELECT is a scalar, not NOT EXISTS: so it is
// looked up row by row in the unique index, and never joined with all that a person ever did.
std::string open_items_sql(const char* columns, const char* lock) {
  return cat("SELECT ", columns, " FROM item i WHERE i.project_id = $1::uuid AND i.priority = $3::smallint ",
             "AND i.random_key >= $4::bigint AND ", kItemOpen,
             " AND (SELECT true FROM assignment a WHERE a.item_id = i.id AND a.account_id = $2::uuid) IS NULL AND ",
             kItemAllowed, " ORDER BY i.random_key LIMIT 1 ", lock);
}

class Search {
 public:
  Search(Transaction& t, const QueueProject& project, const NextRequest& request, const Participation& participation)
      : t_(t), project_(project), request_(request), participation_(participation) {}

  std::optional<Found> lost();
  std::optional<Found> known(bool training);
  std::optional<Found> work();
  std::optional<Found> skipped();

 private:
  int64_t place(int priority);
  std::optional<Found> at(int priority, int64_t from, const char* lock);
  void note_place(int priority, int64_t from);
  bool walked_lately();
  void close_withdrawn();
  Params mine() const { return Params().text(project_.id).text(request_.account_id); }

  Transaction& t_;
  const QueueProject& project_;
  const NextRequest& request_;
  const Participation& participation_;
};

std::optional<Found> first_found(const Result& rows, bool again) {
  if (rows.empty()) return std::nullopt;
  return Found{rows[0].text("id"), again ? rows[0].text("assignment_id") : ""};
}

// A lease that ran out, newest first: whoever comes back finds their draft, where a slot is left.
std::optional<Found> Search::lost() {
  return first_found(
      t_.exec(cat("SELECT i.id, a.id AS assignment_id FROM (SELECT * FROM assignment WHERE account_id = $2::uuid "
                  "AND project_id = $1::uuid AND state = 'expired' ORDER BY ended_at DESC LIMIT 50) a JOIN item i "
                  "ON i.id = a.item_id WHERE ((",
                  kItemOpen, ") OR (i.overlap IS NULL AND NOT i.closed)) AND ", kItemAllowed,
                  " ORDER BY a.ended_at DESC LIMIT 1 FOR NO KEY UPDATE OF i SKIP LOCKED"),
              mine()),
      true);
}

std::optional<Found> Search::known(bool training) {
  Params params = mine();
  params.boolean(training);
  return first_found(
      t_.exec("SELECT i.id FROM item i WHERE i.project_id = $1::uuid AND i.overlap IS NULL AND NOT i.closed "
              "AND i.training = $3::boolean AND NOT EXISTS (SELECT FROM assignment a WHERE a.item_id = i.id "
              "AND a.account_id = $2::uuid) ORDER BY i.random_key LIMIT 1",
              params),
      false);
}

int64_t Search::place(int priority) {
  const Result rows = t_.exec(
      "SELECT random_key FROM queue_place WHERE project_id = $1::uuid AND account_id = $2::uuid "
      "AND priority = $3::smallint",
      mine().integer(int64_t{priority}));
  return rows.empty() ? kFromStart : rows[0].integer("random_key");
}

std::optional<Found> Search::at(int priority, int64_t from, const char* lock) {
  return first_found(t_.exec(open_items_sql("i.id", lock), mine().integer(int64_t{priority}).integer(from)), false);
}

// The first open item that the person does not have: whatever stands before it never needs to be looked at again.
void Search::note_place(int priority, int64_t from) {
  const Result rows = t_.exec(open_items_sql("i.random_key", ""), mine().integer(int64_t{priority}).integer(from));
  if (rows.empty()) return;
  t_.exec(
      "INSERT INTO queue_place (project_id, account_id, priority, random_key) VALUES ($1::uuid, $2::uuid, "
      "$3::smallint, $4::bigint) ON CONFLICT (project_id, account_id, priority) DO UPDATE "
      "SET random_key = excluded.random_key",
      mine().integer(int64_t{priority}).integer(rows[0].integer("random_key")));
}

bool Search::walked_lately() {
  return t_
      .exec(
          "SELECT EXISTS (SELECT FROM queue_place WHERE project_id = $1::uuid AND account_id = $2::uuid "
          "AND walked_at > clock_timestamp() - interval '60 seconds') AS lately",
          mine())
      .one()
      .boolean("lately");
}

// Items whose writers withdrew since will never be judged: they leave the queue and the count of what is to do.
void Search::close_withdrawn() {
  t_.exec(cat("WITH gone AS (UPDATE item i SET closed = true WHERE i.project_id = $1::uuid AND ", kItemOpen,
              " AND NOT ", kItemAllowed,
              " RETURNING 1) UPDATE participation SET finished_items = finished_items + (SELECT count(*) FROM gone) "
              "WHERE project_id = $1::uuid AND account_id = $2::uuid"),
          mine());
}

std::optional<Found> Search::work() {
  constexpr const char* kSkipping = "FOR NO KEY UPDATE OF i SKIP LOCKED";
  for (const int priority : project_.priorities) {
    const int64_t from = place(priority);
    const auto found = at(priority, from, kSkipping);
    if (!found) continue;
    if (participation_.leased % kPlaceEvery == 0) note_place(priority, from);
    return found;
  }
  // Rarely: all that is left is locked at this moment, or was added behind this person's place by a transaction that
  // began before and ended after. Then the whole queue is asked once, and waited for.
  if (walked_lately()) return std::nullopt;
  t_.exec(
      "INSERT INTO queue_place (project_id, account_id, priority, random_key, walked_at) SELECT $1::uuid, $2::uuid, "
      "p, $4::bigint, clock_timestamp() FROM unnest($3::smallint[]) AS p ON CONFLICT (project_id, account_id, "
      "priority) DO UPDATE "
      "SET walked_at = clock_timestamp()",
      mine().integers(project_.priorities).integer(kFromStart));
  for (const int priority : project_.priorities) {
    if (const auto found = at(priority, kFromStart, "FOR NO KEY UPDATE OF i")) return found;
    note_place(priority, kFromStart);
  }
  close_withdrawn();
  return std::nullopt;
}

// What the person put aside comes again once there is nothing else.
std::optional<Found> Search::skipped() {
  return first_found(
      t_.exec(cat("SELECT i.id, a.id AS assignment_id FROM assignment a JOIN item i ON i.id = a.item_id "
                  "WHERE a.account_id = $2::uuid AND a.project_id = $1::uuid AND a.state = 'skipped' "
                  "AND a.phase = 'work' AND ",
                  kItemOpen, " AND ", kItemAllowed, " ORDER BY a.ended_at LIMIT 1 FOR NO KEY UPDATE OF i SKIP LOCKED"),
              mine()),
      true);
}

// Positions from left to right. Who saw the pair before sees it the same way round.
std::vector<int> order_for(Transaction& t, const std::string& item_id, const NextRequest& request) {
  const Result rows = t.exec(
      "SELECT (SELECT count(*) FROM item_answer WHERE item_id = i.id) AS answers, "
      "(SELECT e.a_on_left FROM exposure e WHERE e.pair_id = i.pair_id "
      "AND e.visitor_id = $2::uuid) AS a_on_left FROM item i WHERE i.id = $1::uuid",
      Params().text(item_id).text(request.visitor_id));
  const Row row = rows.one();
  std::vector<int> order(static_cast<size_t>(row.integer("answers")));
  for (size_t i = 0; i < order.size(); ++i)
    order[i] = static_cast<int>(i);
  if (!row.is_null("a_on_left")) {
    if (!row.boolean("a_on_left")) std::ranges::reverse(order);
    return order;
  }
  uint64_t state = request.shuffle;
  for (size_t i = order.size(); i > 1; --i) {  // splitmix64 (Steele, Lea, Flood 2014), then Fisher–Yates
    uint64_t z = (state += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    std::swap(order[i - 1], order[(z ^ (z >> 31)) % i]);
  }
  return order;
}

std::string lease(Transaction& t, const QueueProject& project, const NextRequest& request, const Found& found,
                  Phase phase) {
  t.exec("UPDATE item SET active_leases = active_leases + 1 WHERE id = $1::uuid AND overlap IS NOT NULL",
         Params().text(found.item_id));
  t.exec("UPDATE participation SET leased = leased + 1 WHERE project_id = $1::uuid AND account_id = $2::uuid",
         Params().text(project.id).text(request.account_id));
  const auto state = request.ahead ? AssignmentState::offered : AssignmentState::accepted;
  if (!found.earlier_assignment.empty()) {
    t.exec(
        "UPDATE assignment SET state = $2, lease_until = clock_timestamp() + make_interval(secs => $3::integer), "
        "leases = leases + 1, ended_at = NULL, rendered_at = CASE WHEN $2 = 'accepted' THEN clock_timestamp() END "
        "WHERE id = $1::uuid",
        Params().text(found.earlier_assignment).text(to_string(state)).integer(int64_t{project.lease_seconds}));
    return found.earlier_assignment;
  }
  t.exec(
      "INSERT INTO assignment (id, project_id, item_id, account_id, state, phase, lease_until, shown_order, "
      "rendered_at) VALUES ($1::uuid, $2::uuid, $3::uuid, $4::uuid, $5, $6, clock_timestamp() + "
      "make_interval(secs => $7::integer), $8::smallint[], CASE WHEN $5 = 'accepted' THEN clock_timestamp() END)",
      Params()
          .text(request.assignment_id)
          .text(project.id)
          .text(found.item_id)
          .text(request.account_id)
          .text(to_string(state))
          .text(to_string(phase))
          .integer(int64_t{project.lease_seconds})
          .integers(order_for(t, found.item_id, request)));
  return request.assignment_id;
}

void bring_on_screen(Transaction& t, const QueueProject& project, const std::string& assignment_id) {
  t.exec(
      "UPDATE assignment SET state = 'accepted', rendered_at = clock_timestamp(), lease_until = clock_timestamp() + "
      "make_interval(secs => $2::integer) WHERE id = $1::uuid",
      Params().text(assignment_id).integer(int64_t{project.lease_seconds}));
}

// What the person holds already: the task on screen, or the one loaded ahead, which then comes on screen. Asking ahead
// with nothing on screen says that the one loaded ahead is there now.
std::optional<std::string> held(Transaction& t, const QueueProject& project, const NextRequest& request,
                                int64_t& count) {
  const Result rows = t.exec(
      "SELECT id, state FROM assignment WHERE account_id = $2::uuid AND project_id = $1::uuid "
      "AND state IN ('offered', 'accepted') AND lease_until > clock_timestamp() ORDER BY created_at, id",
      Params().text(project.id).text(request.account_id));
  count = static_cast<int64_t>(rows.size());
  std::string accepted, offered;
  for (size_t i = 0; i < rows.size(); ++i) {
    std::string& place = rows[i].text("state") == "accepted" ? accepted : offered;
    if (place.empty()) place = rows[i].text("id");
  }
  if (accepted.empty() && !offered.empty()) {
    bring_on_screen(t, project, offered);
    std::swap(accepted, offered);
  }
  std::string& wanted = request.ahead ? offered : accepted;
  return wanted.empty() ? std::nullopt : std::optional(wanted);
}

// Work that the person holds or did, against the limit.
bool capped(Transaction& t, const QueueProject& project, const NextRequest& request, const Participation& mine) {
  if (project.max_per_annotator == 0) return false;
  const int64_t leased = t.exec(
                              "SELECT count(*) AS n FROM assignment WHERE account_id = $2::uuid AND project_id = "
                              "$1::uuid AND state IN ('offered', 'accepted') AND phase = 'work'",
                              Params().text(project.id).text(request.account_id))
                             .one()
                             .integer("n");
  return mine.work_done + leased >= project.max_per_annotator;
}

}  // namespace

std::string_view to_string(NoTask value) {
  constexpr std::array<std::string_view, 5> kWords = {"none_left", "training_failed", "gold_failed", "paused",
                                                      "capped"};
  return kWords.at(static_cast<size_t>(value));
}

NextTask next_task(Transaction& t, const NextRequest& request) {
  const QueueProject project = queue_project(t, request.project_id, request.workspace_id, request.account_id);
  const Participation mine = lock_participation(t, project, request.account_id);
  end_expired_leases(t, project.id);
  int64_t holding = 0;
  if (const auto id = held(t, project, request, holding)) return {load_task(t, *id), {}};
  if (holding >= kMaxLeases) return {std::nullopt, NoTask::none_left};
  if (mine.standing == Standing::training_failed) return {std::nullopt, NoTask::training_failed};
  if (mine.standing == Standing::gold_failed) return {std::nullopt, NoTask::gold_failed};
  if (project.state == ProjectState::paused) return {std::nullopt, NoTask::paused};
  if (project.state == ProjectState::finished) return {std::nullopt, NoTask::none_left};
  Search search(t, project, request, mine);
  if (mine.standing == Standing::training) {
    // Training whose items are not all there yet has not begun.
    if (project.training_available < project.training_items) return {std::nullopt, NoTask::paused};
    if (mine.training_seen + holding >= project.training_items) return {std::nullopt, NoTask::none_left};
    auto found = search.lost();
    if (!found) found = search.known(true);
    if (!found) return {std::nullopt, NoTask::none_left};
    return {load_task(t, lease(t, project, request, *found, Phase::training)), {}};
  }
  if (capped(t, project, request, mine)) return {std::nullopt, NoTask::capped};
  auto phase = Phase::work;
  auto found = search.lost();
  if (!found && request.luck < project.gold_rate) {
    found = search.known(false);
    if (found) phase = Phase::gold;
  }
  if (!found) found = search.work();
  if (!found && project.skip == SkipPolicy::requeue_for_me) found = search.skipped();
  if (found) return {load_task(t, lease(t, project, request, *found, phase)), {}};
  finish_if_done(t, project);
  return {std::nullopt, NoTask::none_left};
}

}  // namespace afina::storage
