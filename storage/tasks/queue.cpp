// SPDX-License-Identifier: Apache-2.0
// Who gets which item. A person's place in the queue (queue_place) keeps what they did long ago from being walked
// again; what opens later goes to a later round, so it is always ahead of every place.
#include "storage/tasks/queue.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "base/error.h"
#include "storage/tasks/queue_detail.h"

namespace afina::storage {
namespace {

constexpr int kPlaceEvery = 16;  // leases between two notes of a person's place

// Where in the queue a search begins.
enum class From { place, start };

// What a lease was found on.
struct Found {
  std::string item_id;
  std::string earlier_assignment;  // the person's own row that is taken up again; empty: a new one
  int64_t answers = 0;             // of a new one
  std::optional<bool> a_on_left;   // of a new one: how the person saw this pair before
};

// A scalar and not NOT EXISTS: so it is looked up row by row in the unique index, and never joined with all that a
// person ever did.
constexpr const char* kNotMine =
    " (SELECT true FROM assignment a WHERE a.item_id = i.id AND a.account_id = $2::uuid) IS NULL ";
// What a new assignment needs to know of its item. $3: the visitor.
constexpr const char* kNewFound =
    "i.id, (SELECT count(*) FROM item_answer x WHERE x.item_id = i.id) AS answers, (SELECT e.a_on_left FROM exposure e "
    "WHERE e.pair_id = i.pair_id AND e.visitor_id = $3::uuid) AS a_on_left";

// One search for an open item of priority $4, from the person's place on, or from the start where $5 is false.
std::string open_items_sql(const char* columns, const char* lock) {
  return cat("SELECT ", columns, " FROM item i WHERE i.project_id = $1::uuid AND i.priority = $4::smallint ",
             "AND $3::uuid IS NOT NULL AND i.random_key >= CASE WHEN $5::boolean THEN coalesce((SELECT q.random_key "
             "FROM queue_place q WHERE q.project_id = $1::uuid AND q.account_id = $2::uuid AND q.priority = "
             "$4::smallint), 0) ELSE 0 END AND ",
             kItemOpen, " AND", kNotMine, "AND ", kItemAllowed, " ORDER BY i.random_key LIMIT 1 ", lock);
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
  std::optional<Found> at(int priority, From from, const char* lock);
  void note_place(int priority, From from);
  Params search(int priority, From from) const {
    return mine().text(request_.visitor_id).integer(int64_t{priority}).boolean(from == From::place);
  }
  bool walked_lately();
  void close_withdrawn();
  Params mine() const { return Params().text(project_.id).text(request_.account_id); }

  Transaction& t_;
  const QueueProject& project_;
  const NextRequest& request_;
  const Participation& participation_;
};

std::optional<Found> again(const Result& rows) {
  if (rows.empty()) return std::nullopt;
  return Found{.item_id = rows[0].text("id"), .earlier_assignment = rows[0].text("assignment_id")};
}

std::optional<Found> anew(const Result& rows) {
  if (rows.empty()) return std::nullopt;
  Found found{.item_id = rows[0].text("id"), .answers = rows[0].integer("answers")};
  if (!rows[0].is_null("a_on_left")) found.a_on_left = rows[0].boolean("a_on_left");
  return found;
}

// A lease that ran out, newest first: whoever comes back finds their draft, where a slot is left.
std::optional<Found> Search::lost() {
  return again(
      t_.exec(cat("SELECT i.id, a.id AS assignment_id FROM (SELECT * FROM assignment WHERE account_id = $2::uuid "
                  "AND project_id = $1::uuid AND state = 'expired' ORDER BY ended_at DESC LIMIT 50) a JOIN item i "
                  "ON i.id = a.item_id WHERE ((",
                  kItemOpen, ") OR (i.overlap IS NULL AND NOT i.closed)) AND ", kItemAllowed,
                  " ORDER BY a.ended_at DESC LIMIT 1 FOR NO KEY UPDATE OF i SKIP LOCKED"),
              mine()));
}

std::optional<Found> Search::known(bool training) {
  return anew(t_.exec(cat("SELECT ", kNewFound,
                          " FROM item i WHERE i.project_id = $1::uuid AND i.overlap IS NULL AND NOT i.closed "
                          "AND i.training = $4::boolean AND",
                          kNotMine, "ORDER BY i.random_key LIMIT 1"),
                      mine().text(request_.visitor_id).boolean(training)));
}

std::optional<Found> Search::at(int priority, From from, const char* lock) {
  return anew(t_.exec(open_items_sql(kNewFound, lock), search(priority, from)));
}

// The first open item that the person does not have: whatever stands before it never needs to be looked at again.
void Search::note_place(int priority, From from) {
  t_.exec(cat("INSERT INTO queue_place (project_id, account_id, priority, random_key) SELECT $1::uuid, $2::uuid, "
              "$4::smallint, first.random_key FROM (",
              open_items_sql("i.random_key", ""),
              ") first ON CONFLICT (project_id, account_id, priority) DO UPDATE SET random_key = excluded.random_key"),
          search(priority, from));
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
    const auto found = at(priority, From::place, kSkipping);
    if (!found) continue;
    if (participation_.leased % kPlaceEvery == 0) note_place(priority, From::place);
    return found;
  }
  // Rarely: all that is left is locked at this moment, or was added behind this person's place by a transaction that
  // began before and ended after. Then the whole queue is asked once, and waited for.
  if (walked_lately()) return std::nullopt;
  t_.exec(
      "INSERT INTO queue_place (project_id, account_id, priority, random_key, walked_at) SELECT $1::uuid, $2::uuid, "
      "p, 0, clock_timestamp() FROM unnest($3::smallint[]) AS p ON CONFLICT (project_id, account_id, "
      "priority) DO UPDATE "
      "SET walked_at = clock_timestamp()",
      mine().integers(project_.priorities));
  for (const int priority : project_.priorities) {
    if (const auto found = at(priority, From::start, "FOR NO KEY UPDATE OF i")) return found;
    note_place(priority, From::start);
  }
  close_withdrawn();
  return std::nullopt;
}

// What the person put aside comes again once there is nothing else.
std::optional<Found> Search::skipped() {
  return again(
      t_.exec(cat("SELECT i.id, a.id AS assignment_id FROM assignment a JOIN item i ON i.id = a.item_id "
                  "WHERE a.account_id = $2::uuid AND a.project_id = $1::uuid AND a.state = 'skipped' "
                  "AND a.phase = 'work' AND ",
                  kItemOpen, " AND ", kItemAllowed, " ORDER BY a.ended_at LIMIT 1 FOR NO KEY UPDATE OF i SKIP LOCKED"),
              mine()));
}

// Positions from left to right. Who saw the pair before sees it the same way round.
std::vector<int> order_for(const Found& found, const NextRequest& request) {
  std::vector<int> order(static_cast<size_t>(found.answers));
  std::iota(order.begin(), order.end(), 0);
  if (found.a_on_left) {
    if (!*found.a_on_left) std::ranges::reverse(order);
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

// In one statement: the item's slot, the person's count, the assignment.
std::string lease(Transaction& t, const QueueProject& project, const NextRequest& request, const Found& found,
                  Phase phase) {
  const auto state = request.ahead ? AssignmentState::offered : AssignmentState::accepted;
  const std::string counts =
      "WITH slot AS (UPDATE item SET active_leases = active_leases + 1 WHERE id = $1::uuid AND overlap IS NOT NULL), "
      "person AS (UPDATE participation SET leased = leased + 1 WHERE project_id = $2::uuid AND account_id = $3::uuid) ";
  Params params;
  params.text(found.item_id).text(project.id).text(request.account_id).text(to_string(state));
  params.integer(int64_t{project.lease_seconds});
  if (!found.earlier_assignment.empty()) {
    t.exec(
        counts +
            "UPDATE assignment SET state = $4, lease_until = clock_timestamp() + make_interval(secs => $5::integer), "
            "leases = leases + 1, ended_at = NULL, rendered_at = CASE WHEN $4 = 'accepted' THEN clock_timestamp() "
            "END WHERE id = $6::uuid",
        params.text(found.earlier_assignment));
    return found.earlier_assignment;
  }
  t.exec(
      counts +
          "INSERT INTO assignment (id, project_id, item_id, account_id, state, phase, lease_until, shown_order, "
          "rendered_at) VALUES ($6::uuid, $2::uuid, $1::uuid, $3::uuid, $4, $7, clock_timestamp() + "
          "make_interval(secs => $5::integer), $8::smallint[], CASE WHEN $4 = 'accepted' THEN clock_timestamp() END)",
      params.text(request.assignment_id).text(to_string(phase)).integers(order_for(found, request)));
  return request.assignment_id;
}

void bring_on_screen(Transaction& t, const QueueProject& project, const std::string& assignment_id) {
  t.exec(
      "UPDATE assignment SET state = 'accepted', rendered_at = clock_timestamp(), lease_until = clock_timestamp() + "
      "make_interval(secs => $2::integer) WHERE id = $1::uuid",
      Params().text(assignment_id).integer(int64_t{project.lease_seconds}));
}

// What the person has in hand, and whether a lease of theirs ran out.
struct InHand {
  std::optional<std::string> wanted;  // the answer to this request
  int64_t count = 0;
  bool lost_some = false;
};

// Work whose writer withdrew or revoked `review` leaves the person's hands first, as if it had been skipped: its place
// is given back, in a later round where there was none, for the day on which they allow it again.
const std::string& held_sql() {
  static const std::string sql = cat(
      "WITH gone AS (UPDATE assignment a SET state = 'skipped', ended_at = clock_timestamp() FROM item i "
      "WHERE a.account_id = $2::uuid AND a.project_id = $1::uuid AND a.state IN ('offered', 'accepted') "
      "AND a.phase = 'work' AND i.id = a.item_id AND NOT ",
      kItemAllowed,
      " RETURNING a.id, a.item_id), back AS (UPDATE item i SET active_leases = active_leases - 1, random_key = CASE "
      "WHEN done_count + active_leases >= overlap THEN queue_key(nextval('item_queue')) ELSE random_key END FROM gone "
      "WHERE i.id = gone.item_id AND i.overlap IS NOT NULL) "
      "(SELECT id, state FROM assignment WHERE account_id = $2::uuid AND project_id = $1::uuid AND state IN "
      "('offered', 'accepted') AND lease_until > clock_timestamp() AND id NOT IN (SELECT id FROM gone) "
      "ORDER BY created_at, id) UNION ALL SELECT NULL, 'expired' WHERE EXISTS (SELECT FROM assignment "
      "WHERE account_id = $2::uuid AND project_id = $1::uuid AND state = 'expired')");
  return sql;
}

// What the person holds already: the task on screen, or the one loaded ahead, which then comes on screen. Asking ahead
// with nothing on screen says that the one loaded ahead is there now.
InHand held(Transaction& t, const QueueProject& project, const NextRequest& request) {
  const Result rows = t.exec(held_sql(), Params().text(project.id).text(request.account_id));
  InHand hand;
  std::string accepted, offered;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].text("state") == "expired") {
      hand.lost_some = true;
      continue;
    }
    ++hand.count;
    std::string& place = rows[i].text("state") == "accepted" ? accepted : offered;
    if (place.empty()) place = rows[i].text("id");
  }
  if (accepted.empty() && !offered.empty()) {
    bring_on_screen(t, project, offered);
    std::swap(accepted, offered);
  }
  const std::string& wanted = request.ahead ? offered : accepted;
  if (!wanted.empty()) hand.wanted = wanted;
  return hand;
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
  if (project.has_expired) end_expired_leases(t, project.id);
  const InHand hand = held(t, project, request);
  if (hand.wanted) return {load_task(t, *hand.wanted), {}};
  if (hand.count >= kMaxLeases) return {std::nullopt, NoTask::none_left};
  if (mine.standing == Standing::training_failed) return {std::nullopt, NoTask::training_failed};
  if (mine.standing == Standing::gold_failed) return {std::nullopt, NoTask::gold_failed};
  if (project.state == ProjectState::paused) return {std::nullopt, NoTask::paused};
  if (project.state == ProjectState::finished) return {std::nullopt, NoTask::none_left};
  Search search(t, project, request, mine);
  if (mine.standing == Standing::training) {
    // Training whose items are not all there yet has not begun.
    if (project.training_available < project.training_items) return {std::nullopt, NoTask::paused};
    if (mine.training_seen + hand.count >= project.training_items) return {std::nullopt, NoTask::none_left};
    auto found = hand.lost_some ? search.lost() : std::nullopt;
    if (!found) found = search.known(true);
    if (!found) return {std::nullopt, NoTask::none_left};
    return {load_task(t, lease(t, project, request, *found, Phase::training)), {}};
  }
  if (capped(t, project, request, mine)) return {std::nullopt, NoTask::capped};
  auto phase = Phase::work;
  auto found = hand.lost_some ? search.lost() : std::nullopt;
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
