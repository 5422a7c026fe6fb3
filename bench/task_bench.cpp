// SPDX-License-Identifier: Apache-2.0
// The next task at scale: next_task with a commit on a real private cluster with fsync, then the task is handed in
// outside the clock. Rows: a newcomer, an annotator who has 50,000 answers on items that are still open, eight
// people at once, and the control: the same annotator without the partial index and without a place in the queue.
//   bench_tasks FOLDER [items] [answers]     FOLDER: on the disk that is measured
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "bench/bench_report.h"
#include "storage/accounts/accounts.h"
#include "storage/database.h"
#include "storage/people.h"
#include "storage/tasks/submissions.h"
#include "storage/transaction.h"

namespace {

namespace fs = std::filesystem;
using namespace afina;
using namespace afina::storage;

struct Worker {
  std::string account_id, visitor_id;
};

Worker make_worker(Database& db) {
  return db.transaction([](Transaction& t) {
    NewAccount account;
    account.name = "worker-" + account.id;
    create_account(t, account);
    add_member(t, kPublicWorkspace, account.id, Role::annotator);
    NewVisitor v;
    v.annotator_id = account.annotator_id;
    v.session_token = new_session_token();
    v.receipt_code = new_receipt_code();
    v.consent.text_id = ensure_consent_text(t, "bench", "en", "bench").id;
    v.consent.purposes = {"train", "review"};
    create_visitor(t, v);
    set_account_visitor(t, account.id, v.id);
    return Worker{account.id, v.id};
  });
}

std::string make_project(Database& db, const Worker& boss) {
  return db.transaction([&](Transaction& t) {
    ProjectSettings settings;
    settings.name = "bench";
    settings.kind = ProjectKind::rating;
    settings.aspects = {Aspect::helpful};
    settings.overlap = 3;
    settings.gold_rate = 0.1;
    const std::string id = create_project(t, {new_uuid(), kPublicWorkspace, boss.account_id, settings, "k"}).id;
    std::vector<NewItem> items(51);
    for (size_t i = 0; i < items.size(); ++i) {
      items[i].prompt = {{"user", "¿Dónde pago la luz?"}};
      items[i].answers = {{"En la oficina de la calle principal.", "a"}, {"No lo sé.", "b"}};
      if (i > 0) items[i].gold = Json{{"aspects", {{{"side", "a"}, {"aspect", "helpful"}, {"value", 4}}}}};
    }
    add_items(t, {id, kPublicWorkspace, boss.account_id, "k", sha256_hex("k")}, items);
    return id;
  });
}

// Copies of the one item, all with its texts: what is measured is the queue.
void seed(Database& db, const std::string& project, int64_t items) {
  const auto script = [&](const std::string& sql) { db.transaction([&](Transaction& t) { t.script(sql); }); };
  const int64_t step = 100'000;
  for (int64_t from = 0; from < items; from += step) {
    script(
        cat("WITH one AS (SELECT * FROM item WHERE overlap IS NOT NULL ORDER BY created_at LIMIT 1), made AS (INSERT "
            "INTO item (id, project_id, batch_id, conversation_id, turn, random_key, text_chars, overlap, source) "
            "SELECT gen_random_uuid(), project_id, batch_id, conversation_id, turn, queue_key(1), text_chars, "
            "overlap, source FROM one, generate_series(1, ",
            std::min(step, items - from),
            ") RETURNING id) INSERT INTO item_answer (item_id, position, generation_id) SELECT made.id, x.position, "
            "x.generation_id FROM made, one JOIN item_answer x ON x.item_id = one.id"));
  }
  script(cat("UPDATE project SET work_items = work_items + ", items, " WHERE id = '", project, "'"));
}

// The first `answers` items of the queue were done by this person and by nobody else: all are still open.
void give_answers(Database& db, const std::string& project, const Worker& who, int64_t answers) {
  db.transaction([&](Transaction& t) {
    t.script(cat("INSERT INTO participation (project_id, account_id, work_done, leased) VALUES ('", project, "', '",
                 who.account_id, "', ", answers, ", ", answers, ")"));
    t.script(
        cat("CREATE TEMP TABLE mine ON COMMIT DROP AS SELECT id FROM item WHERE overlap IS NOT NULL ORDER BY "
            "random_key LIMIT ",
            answers));
    t.script(
        cat("INSERT INTO assignment (id, project_id, item_id, account_id, state, phase, lease_until, shown_order, "
            "rendered_at, ended_at) SELECT gen_random_uuid(), '",
            project, "', id, '", who.account_id, "', 'done', 'work', now(), '{0,1}', now(), now() FROM mine"));
    t.script("UPDATE item SET done_count = done_count + 1 WHERE id IN (SELECT id FROM mine)");
  });
}

// A folder that was seeded before is measured again.
bool find_seeded(Database& db, std::string& project, Worker& old) {
  return db.read([&](Transaction& t) {
    const Result rows = t.exec(
        "SELECT p.project_id, p.account_id, a.visitor_id FROM participation p JOIN account a ON a.id = p.account_id "
        "ORDER BY p.work_done DESC LIMIT 1");
    if (rows.empty()) return false;
    project = rows[0].text("project_id");
    old = {rows[0].text("account_id"), rows[0].text("visitor_id")};
    return true;
  });
}

NextTask next(Database& db, const std::string& project, const Worker& who, double luck) {
  NextRequest request{project, kPublicWorkspace, who.account_id, who.visitor_id};
  request.luck = luck;
  return db.transaction([&](Transaction& t) { return next_task(t, request); });
}

void hand_in(Database& db, const Task& task, const Worker& who) {
  NewSubmission s;
  s.whose = {task.assignment_id, kPublicWorkspace, who.account_id};
  s.visitor_id = who.visitor_id;
  s.verdict.ratings = {{0, Aspect::helpful, 4}};
  s.idempotency_key = s.id;
  s.body_sha256 = sha256_hex("b");
  db.transaction([&](Transaction& t) { submit(t, s); });
}

void measure(Database& db, const std::string& project, const char* what, const std::vector<Worker>& people, int calls) {
  std::mutex mutex;
  std::vector<double> next_ms, submit_ms;
  {
    std::vector<std::jthread> threads;
    for (const Worker& who : people) {
      threads.emplace_back([&, who] {
        for (int i = 0; i < calls; ++i) {
          const Stopwatch watch;
          const NextTask got = next(db, project, who, i % 10 == 0 ? 0.0 : 0.9);
          const double next_took = watch.seconds() * 1e3;
          if (!got.task) throw InternalError("[bench] a task must be left, but none is.");
          const Stopwatch second;
          hand_in(db, *got.task, who);
          const std::scoped_lock lock(mutex);
          next_ms.push_back(next_took);
          submit_ms.push_back(second.seconds() * 1e3);
        }
      });
    }
  }
  std::ranges::sort(next_ms);
  std::ranges::sort(submit_ms);
  const auto at = [](const std::vector<double>& v, double q) {
    return v[static_cast<size_t>(q * static_cast<double>(v.size() - 1))];
  };
  std::printf("%-44s next p50 %7.2f ms  p99 %7.2f ms  worst %7.1f ms | hand in p50 %6.2f ms  p99 %6.2f ms\n", what,
              at(next_ms, 0.5), at(next_ms, 0.99), next_ms.back(), at(submit_ms, 0.5), at(submit_ms, 0.99));
}

struct GivenUp {};

int64_t cpu_ns(int64_t pid) {
  std::ifstream in(cat("/proc/", pid, "/schedstat"));
  int64_t ns = 0;
  in >> ns;
  return ns;
}

// What a call costs the server, without its commit and whoever else runs: CPU of its backend and pages it touched, over
// calls that are rolled back. One connection: the pool gives the last one used.
void measure_costs(Database& db, const std::string& project, const char* what, const Worker& who) {
  constexpr int kCalls = 200;
  const auto number = [&](const char* sql) {
    return db.read([&](Transaction& t) { return t.exec(sql).one().integer("n"); });
  };
  const auto call = [&] {
    try {
      db.transaction([&](Transaction& t) {
        NextRequest request{project, kPublicWorkspace, who.account_id, who.visitor_id};
        request.luck = 0.9;
        if (!next_task(t, request).task) throw InternalError("[bench] a task must be left, but none is.");
        throw GivenUp{};
      });
    } catch (const GivenUp&) {
    }
  };
  for (int i = 0; i < 10; ++i)
    call();
  const auto pages = [&] {
    number("SELECT pg_stat_force_next_flush() IS NULL, 0 AS n");
    return number("SELECT blks_hit + blks_read AS n FROM pg_stat_database WHERE datname = current_database()");
  };
  const int64_t pid = number("SELECT pg_backend_pid() AS n"), pages_before = pages(), cpu_before = cpu_ns(pid);
  const Stopwatch watch;
  for (int i = 0; i < kCalls; ++i)
    call();
  const double wall_ms = watch.seconds() * 1e3 / kCalls;
  const double cpu_ms = static_cast<double>(cpu_ns(pid) - cpu_before) / 1e6 / kCalls;
  std::printf("%-44s server CPU %.3f ms and %.0f pages a call, %.2f ms of wall time without the commit\n", what, cpu_ms,
              static_cast<double>(pages() - pages_before) / kCalls, wall_ms);
}

// All but 40 items are done, and no vacuum came since.
void finish_most(Database& db) {
  db.transaction([](Transaction& t) {
    t.script(
        "UPDATE item SET closed = true WHERE overlap IS NOT NULL AND NOT closed AND id NOT IN (SELECT id FROM item "
        "WHERE overlap IS NOT NULL AND NOT closed AND active_leases = 0 AND done_count = 0 ORDER BY random_key DESC "
        "LIMIT 40)");
  });
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc < 2)
      throw UsageError("[bench] a folder must be given, but is not.",
                       "bench_tasks FOLDER [items] [answers] [--nearly-done]");
    const fs::path folder = fs::absolute(argv[1]);
    const int64_t items = argc > 2 ? std::atoll(argv[2]) : 1'000'000;
    const int64_t answers = argc > 3 ? std::atoll(argv[3]) : 50'000;
    const bool also_done = argc > 4 && std::string(argv[4]) == "--nearly-done";
    fs::create_directories(folder);
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    std::printf("%s\nother load %.2f cores\n", bench::machine_line(2).c_str(), bench::other_load(1.0));
    DatabaseOptions options;
    options.max_connections = 16;
    options.pool_wait = std::chrono::seconds(30);
    options.statement_timeout = std::chrono::minutes(10);
    options.keeper_linger = std::chrono::milliseconds(500);
    const auto db = Database::open({DatabaseTarget::Kind::home, "", folder / "home"}, options);
    std::string project;
    Worker old;
    if (!find_seeded(*db, project, old)) {
      old = make_worker(*db);
      project = make_project(*db, make_worker(*db));
      const Stopwatch seeding;
      seed(*db, project, items);
      give_answers(*db, project, old, answers);
      db->transaction([](Transaction& t) { t.script("ANALYZE item; ANALYZE assignment; ANALYZE item_answer"); });
      std::printf("%lld items, %lld answers of one person, seeded in %.0f s\n", static_cast<long long>(items),
                  static_cast<long long>(answers), seeding.seconds());
    }
    const Worker newcomer = make_worker(*db);
    db->transaction([](Transaction& t) { t.script("DELETE FROM queue_place"); });
    DatabaseOptions web_options = options;
    web_options.role = kWebRole;
    web_options.role_required = false;
    web_options.workspace = kPublicWorkspace;
    const auto web = Database::open({DatabaseTarget::Kind::home, "", folder / "home"}, web_options);
    measure(*db, project, "a newcomer", {newcomer}, 1000);
    const Stopwatch first;
    const NextTask got = next(*db, project, old, 0.9);
    std::printf("%-44s next %.2f ms, once\n", "who has the answers, without a place yet", first.seconds() * 1e3);
    hand_in(*db, *got.task, old);
    measure(*db, project, "who has the answers", {old}, 1000);
    measure(*web, project, "who has the answers, under row security", {old}, 1000);
    measure_costs(*db, project, "a newcomer", newcomer);
    measure_costs(*db, project, "who has the answers", old);
    measure_costs(*web, project, "who has the answers, under row security", old);
    std::vector<Worker> crowd;
    for (int i = 0; i < 8; ++i)
      crowd.push_back(make_worker(*db));
    measure(*db, project, "eight people at once", crowd, 200);
    // Dropped and made again as the schema has it, so that the folder can be measured again.
    const std::string index = db->read([](Transaction& t) {
      return t.exec("SELECT indexdef FROM pg_indexes WHERE indexname = 'item_open'").one().text("indexdef");
    });
    db->transaction([](Transaction& t) { t.script("DROP INDEX item_open; DELETE FROM queue_place"); });
    measure(*db, project, "control: no partial index, no place", {old}, 2);
    db->transaction([&](Transaction& t) { t.script(index); });
    if (also_done) {
      finish_most(*db);
      const Worker late = make_worker(*db);
      const Stopwatch once;
      const NextTask last = next(*db, project, late, 0.9);
      std::printf("%-44s next %.2f ms, once\n", "all but 40 items done, a newcomer's first", once.seconds() * 1e3);
      hand_in(*db, *last.task, late);
      measure(*db, project, "all but 40 items done, a newcomer", {late}, 30);
    }
    return 0;
  } catch (const std::exception& error) {
    return report_exception(error);
  }
}
