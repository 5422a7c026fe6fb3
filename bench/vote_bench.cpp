// SPDX-License-Identifier: Apache-2.0
// Durable votes a second on a private PostgreSQL with fsync, each acknowledged after its commit. Control, in the same
// run and cluster: pgbench inserting the same row alone, prepared, by as many clients. Then our own ways: votes through
// the writer that shares commits, votes each in a transaction of their own, and votes over HTTP through the whole
// collector; and what latency is at 70 % of the best rate.
//   bench_votes FOLDER [votes for each measurement [way]]     FOLDER: on the disk that is measured; way: the first
//   letters of one of our ways, to measure no other
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "bench/bench_report.h"
#include "bench/vote_clients.h"
#include "collector/judgements/vote_writer.h"
#include "storage/database.h"
#include "storage/people.h"
#include "storage/preferences.h"
#include "storage/transaction.h"

namespace afina::bench {
namespace {

namespace fs = std::filesystem;
using storage::Database;
using storage::DatabaseTarget;
using storage::new_receipt_code;
using storage::new_session_token;
using storage::NewPreference;
using storage::NewVisitor;
using storage::Params;
using storage::Source;
using storage::Transaction;
using storage::VoteDraft;

constexpr int kClients[] = {8, 16, 32, 64};
constexpr int kRounds = 3;

double flushes_per_second(const fs::path& folder) {
  const fs::path file = folder / "flush";
  const int fd = open(file.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
  const std::string block(8192, 'x');
  const Stopwatch watch;
  int done = 0;
  for (; watch.seconds() < 1; ++done) {
    if (pwrite(fd, block.data(), block.size(), 0) < 0 || fdatasync(fd) != 0) throw StorageError("[bench] cannot flush");
  }
  close(fd);
  fs::remove(file);
  return done / watch.seconds();
}

/// Pairs shown to people, whose ids follow from their number, so that pgbench can name them without looking them up.
class Shown {
 public:
  explicit Shown(Database& db) : db_(db) {
    for (int i = 0; i < 256; ++i) {
      NewVisitor v;
      v.session_token = new_session_token();
      v.receipt_code = new_receipt_code();
      v.source = Source::demo;
      db_.transaction([&](Transaction& t) {
        v.consent.text_id = ensure_consent_text(t, "bench", "en", "bench").id;
        create_visitor(t, v);
        t.exec("CREATE TABLE IF NOT EXISTS bench_person (n integer PRIMARY KEY, visitor_id uuid, annotator_id uuid)");
        t.exec("INSERT INTO bench_person SELECT $1::integer, id, annotator_id FROM visitor WHERE id = $2::uuid",
               Params().integer(int64_t{i}).text(v.id));
      });
      visitors_.push_back(v.id);
      tokens_.push_back(v.session_token);
    }
  }
  /// Makes exposures [made, made + count): 105 pairs of a conversation's 15 answers, person n mod 256.
  void more(int count) {
    const int conversations = count / 105 + 1;
    db_.transaction([&](Transaction& t) {
      const Params range = Params().integer(int64_t{conversation_}).integer(int64_t{conversation_ + conversations - 1});
      t.exec(
          "INSERT INTO conversation (id, visitor_id, consent_event_id, mode, source) "
          "SELECT ('00000000-0000-7000-8001-' || lpad(to_hex(c), 12, '0'))::uuid, p.visitor_id, k.id, 'arena', 'demo' "
          "FROM generate_series($1::bigint, $2::bigint) c JOIN bench_person p ON p.n = c % 256 "
          "JOIN consent_event k ON k.visitor_id = p.visitor_id",
          range);
      t.exec(
          "INSERT INTO generation (id, conversation_id, turn, slot, model, upstream, text) "
          "SELECT ('00000000-0000-7000-8002-' || lpad(to_hex(c * 16 + s), 12, '0'))::uuid, "
          "('00000000-0000-7000-8001-' || lpad(to_hex(c), 12, '0'))::uuid, 1, s, 'm', 'm', 'an answer' "
          "FROM generate_series($1::bigint, $2::bigint) c, generate_series(0, 14) s",
          range);
      t.exec(
          "WITH duel AS (SELECT x, y, row_number() OVER () - 1 AS k FROM generate_series(0, 14) x, "
          "generate_series(0, 14) y WHERE x < y) "
          "INSERT INTO pair (id, conversation_id, turn, generation_a_id, generation_b_id) "
          "SELECT ('00000000-0000-7000-8003-' || lpad(to_hex(c * 105 + k), 12, '0'))::uuid, "
          "('00000000-0000-7000-8001-' || lpad(to_hex(c), 12, '0'))::uuid, 1, "
          "('00000000-0000-7000-8002-' || lpad(to_hex(c * 16 + x), 12, '0'))::uuid, "
          "('00000000-0000-7000-8002-' || lpad(to_hex(c * 16 + y), 12, '0'))::uuid "
          "FROM generate_series($1::bigint, $2::bigint) c, duel",
          range);
      t.exec(
          "INSERT INTO exposure (id, pair_id, visitor_id, annotator_id, a_on_left) "
          "SELECT ('00000000-0000-7000-8004-' || lpad(to_hex(i), 12, '0'))::uuid, "
          "('00000000-0000-7000-8003-' || lpad(to_hex(i), 12, '0'))::uuid, p.visitor_id, p.annotator_id, true "
          "FROM generate_series($1::bigint * 105, $2::bigint * 105 + 104) i JOIN bench_person p ON p.n = i % 256",
          range);
    });
    conversation_ += conversations;
    db_.transaction([](Transaction& t) { t.exec("ANALYZE"); });
  }
  /// The next `count` exposures nobody has voted on.
  int take(int count) {
    while (next_ + count > conversation_ * 105)
      more(20'000);
    next_ += count;
    return next_ - count;
  }
  Act act(int n) const {
    char id[40];
    std::snprintf(id, sizeof id, "00000000-0000-7000-8004-%012x", static_cast<unsigned>(n));
    return {id, visitors_[n % 256], tokens_[n % 256], static_cast<int>(n % 7) - 3};
  }

 private:
  Database& db_;
  std::vector<std::string> visitors_, tokens_;
  int conversation_ = 0, next_ = 0;
};

/// The same row by pgbench: prepared, one statement, its own commit. Returns rows a second.
double pgbench(const Database& db, const fs::path& folder, Shown& shown, int clients, int votes) {
  const int each = votes / clients, first = shown.take(each * clients);
  const fs::path script = folder / "vote.sql";
  write_file_atomic(
      script,
      cat("\\set i :i + 1\n\\set n ", first, " + :client_id * ", each,
          " + :i\nINSERT INTO preference (id, exposure_id, pair_id, visitor_id, annotator_id, outcome, grade, reason, "
          "ms_to_decide, idempotency_key, body_sha256, source, blind) SELECT gen_random_uuid(), "
          "('00000000-0000-7000-8004-' || lpad(to_hex(:n::bigint), 12, '0'))::uuid, "
          "('00000000-0000-7000-8003-' || lpad(to_hex(:n::bigint), 12, '0'))::uuid, p.visitor_id, p.annotator_id, "
          "'graded', "
          "(:n::bigint % 7 - 3)::smallint, 'clear', 4000, 'k' || :n::bigint, repeat('a', 64), 'demo', true "
          "FROM bench_person p WHERE p.n = :n::bigint % 256;\n"));
  const fs::path out = folder / "pgbench.txt";
  const std::string command = cat(PGBENCH, " -n -M prepared -D i=-1 -f ", script.string(), " -c ", clients, " -j 2 -t ",
                                  each, " '", db.url(), "' > ", out.string(), " 2>&1");
  if (std::system(command.c_str()) != 0) throw StorageError(cat("[bench] pgbench failed: ", read_file(out, 1 << 20)));
  const std::string said = read_file(out, 1 << 20);
  const size_t at = said.find("tps = ");
  if (at == std::string::npos) throw StorageError(cat("[bench] pgbench said no rate: ", said));
  return std::atof(said.c_str() + at + 6);
}

void settle(const Database& db) {
  const std::string command = cat("'", fs::path(PGBENCH).replace_filename("psql").string(),
                                  "' -q -X -c 'VACUUM ANALYZE' -c CHECKPOINT '", db.url(), "'");
  if (std::system(command.c_str()) != 0) throw StorageError("[bench] psql failed");
}

NewPreference vote_of(const Act& act) {
  NewPreference vote;
  vote.exposure_id = act.exposure;
  vote.visitor_id = act.visitor;
  vote.grade = act.grade;
  vote.reason = "clear";
  vote.ms_to_decide = 4000;
  vote.source = Source::demo;
  vote.idempotency_key = vote.id;
  return vote;
}

void print_rate(const char* name, int clients, const Load& load, double best_alone) {
  std::printf("%-22s %3d clients: %7.0f votes/s = %.2f x pgbench's best, p50 %.2f ms, p99 %.2f ms, worst %.1f ms\n",
              name, clients, load.per_second, load.per_second / best_alone, load.p50_ms, load.p99_ms, load.worst_ms);
}

struct Way {
  const char* name;
  std::function<Load(int clients, int votes, double rate)> run;
  double best = 0;
  int best_clients = 0;
};

void measure(Way& way, int votes, double best_alone) {
  for (const int clients : kClients) {
    std::vector<Load> loads;
    for (int round = 0; round < kRounds; ++round)
      loads.push_back(way.run(clients, votes, 0));
    std::sort(loads.begin(), loads.end(), [](const Load& x, const Load& y) { return x.per_second < y.per_second; });
    const Load& median = loads[loads.size() / 2];
    print_rate(way.name, clients, median, best_alone);
    if (median.per_second > way.best) way.best = median.per_second, way.best_clients = clients;
  }
  // One stall of the machine, a flush or another tenant, is a hundredth of a run this short: each round is shown.
  std::vector<Load> calm;
  for (int round = 0; round < kRounds; ++round)
    calm.push_back(way.run(way.best_clients, votes, way.best * 0.7));
  std::sort(calm.begin(), calm.end(), [](const Load& x, const Load& y) { return x.p99_ms < y.p99_ms; });
  std::printf("%-22s at 70 %% of its peak (%.0f/s, %d clients): p50 %.2f ms, p99", way.name, way.best * 0.7,
              way.best_clients, calm[calm.size() / 2].p50_ms);
  for (const Load& load : calm)
    std::printf(" %.2f", load.p99_ms);
  std::printf(" ms in %d rounds, worst %.1f ms\n", kRounds, calm.back().worst_ms);
}

double best_of_pgbench(const Database& db, const fs::path& folder, Shown& shown, int votes) {
  double best = 0;
  for (const int clients : kClients) {
    std::vector<double> rates;
    for (int round = 0; round < kRounds; ++round)
      rates.push_back(pgbench(db, folder, shown, clients, votes));
    const double median = spread(rates).median;
    std::printf("%-22s %3d clients: %7.0f rows/s\n", "pgbench, row alone", clients, median);
    best = std::max(best, median);
  }
  return best;
}

int measure_all(const fs::path& folder, int votes, std::string_view only) {
  fs::create_directories(folder);
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  set_log_level(LogLevel::error);
  std::printf("%s\nother load %.2f cores\n", machine_line(2).c_str(), other_load(1.0));
  std::printf("flushes/s of one writer: %.0f\n", flushes_per_second(folder));
  storage::DatabaseOptions options;
  options.max_connections = 16;
  options.pool_wait = std::chrono::seconds(30);
  options.keeper_linger = std::chrono::milliseconds(500);
  options.announce = false;
  const auto db = Database::open({DatabaseTarget::Kind::home, "", folder / "home"}, options);
  Shown shown(*db);
  // All of them before the first measurement, and settled: making more would leave dirty pages and an autovacuum to
  // the one that follows.
  const int measurements = (static_cast<int>(std::size(kClients)) + 1) * kRounds;
  shown.more(4 * measurements * (votes + kWarmUp));
  settle(*db);
  const double best_alone = best_of_pgbench(*db, folder, shown, votes);
  collector::VoteWriter writer(*db);
  Way ways[] = {
      {"shared commits",
       [&](int clients, int count, double rate) {
         return run_load(clients, count, rate, [&, first = shown.take(count)](int, int i) {
           VoteDraft draft;
           draft.vote = vote_of(shown.act(first + i));
           if (!writer.put(std::move(draft)).put.created) throw StorageError("[bench] a vote was not new");
         });
       }},
      {"a commit each",
       [&](int clients, int count, double rate) {
         return run_load(clients, count, rate, [&, first = shown.take(count)](int, int i) {
           const NewPreference vote = vote_of(shown.act(first + i));
           db->transaction([&](Transaction& t) { put_preference(t, vote); });
         });
       }},
      {"over HTTP",
       [&](int clients, int count, double rate) {
         return run_http_load(*db, clients, count, rate,
                              [&, first = shown.take(kWarmUp + count)](int i) { return shown.act(first + i); });
       }},
  };
  for (Way& way : ways) {
    if (std::string_view(way.name).starts_with(only)) measure(way, votes, best_alone);
  }
  std::printf("best: shared commits %.2f, a commit each %.2f, over HTTP %.2f x pgbench's best row alone\n",
              ways[0].best / best_alone, ways[1].best / best_alone, ways[2].best / best_alone);
  return 0;
}

}  // namespace
}  // namespace afina::bench

int main(int argc, char** argv) {
  try {
    if (argc < 2) {
      throw afina::UsageError("[bench] a folder must be given, but is not.", "bench_votes FOLDER [votes [way]]");
    }
    return afina::bench::measure_all(std::filesystem::absolute(argv[1]), argc > 2 ? std::atoi(argv[2]) : 12'800,
                                     argc > 3 ? argv[3] : "");
  } catch (const std::exception& error) {
    return afina::report_exception(error);
  }
}
