// SPDX-License-Identifier: Apache-2.0
// Raw judgements out of PostgreSQL a second, and the memory that takes: our export at N and at 4 N rows, beside a
// control that holds the rows before it writes them. One server, the client and the writing share the machine.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "base/log.h"
#include "datasets/transfer/export_data.h"
#include "storage/cluster.h"
#include "storage/transaction.h"
#include "tests/support/test_database.h"

namespace {

using namespace afina;

// A quarter as many pairs as judgements: each is judged by four of 5,000 people.
constexpr int kVotesOfPair = 4, kPeople = 5000;

void seed(storage::Database& db, int pairs) {
  db.transaction([&](storage::Transaction& t) {
    t.script("SET LOCAL statement_timeout = 0; SET LOCAL synchronous_commit = off");
    const auto id = [](const char* kind, const std::string& n) {
      return cat("('00000000-0000-7000-", kind, "-' || lpad(to_hex(", n, "), 12, '0'))::uuid");
    };
    const std::string people = cat("generate_series(1, ", kPeople, ") n"),
                      all = cat("generate_series(1, ", pairs, ") n");
    t.script(cat("INSERT INTO consent_text VALUES (", id("9000", "1"), ", 'v', 'es', 'x', repeat('0', 64))"));
    t.script(cat("INSERT INTO annotator SELECT ", id("9001", "n"), ", 'anonymous' FROM ", people));
    t.script(cat("INSERT INTO visitor (id, annotator_id, locale, source, receipt_sha256) SELECT ", id("9002", "n"),
                 ", ", id("9001", "n"), ", 'es', 'demo', lpad(to_hex(n), 64, '0') FROM ", people));
    t.script(cat("INSERT INTO consent_event (id, visitor_id, text_id, granted, purposes) SELECT ", id("9003", "n"),
                 ", ", id("9002", "n"), ", ", id("9000", "1"), ", true, '{train,publish}' FROM ", people));
    const std::string owner = cat("1 + n % ", kPeople);
    t.script(cat("INSERT INTO conversation (id, visitor_id, consent_event_id, locale, mode, source) SELECT ",
                 id("9004", "n"), ", ", id("9002", owner), ", ", id("9003", owner), ", 'es-CL', 'arena', 'demo' FROM ",
                 all));
    t.script(cat("INSERT INTO message (id, conversation_id, turn, role, content, sha256) SELECT ", id("9005", "n"),
                 ", ", id("9004", "n"),
                 ", 0, 'user', '¿Cómo hago ' || n || ' panes? ' || repeat('ñandú ', 12), repeat('0', 64) FROM ", all));
    for (const char* slot : {"0", "1"})
      t.script(cat("INSERT INTO generation (id, conversation_id, turn, slot, model, text) SELECT ",
                   id(*slot == '0' ? "9006" : "9007", "n"), ", ", id("9004", "n"), ", 1, ", slot, ", 'modelo-", slot,
                   "', n || '", *slot == '0' ? " una" : " otra", "' || repeat(' agua, harina y \"sal\"', 10) FROM ",
                   all));
    t.script(cat("INSERT INTO pair (id, conversation_id, turn, generation_a_id, generation_b_id) SELECT ",
                 id("9008", "n"), ", ", id("9004", "n"), ", 1, ", id("9006", "n"), ", ", id("9007", "n"), " FROM ",
                 all));
    const std::string votes = cat(all, ", generate_series(0, ", kVotesOfPair - 1, ") k");
    const std::string vote = cat("n::bigint * ", kVotesOfPair, " + k"), judge = cat("1 + (n * 7 + k) % ", kPeople);
    t.script(cat("INSERT INTO exposure (id, pair_id, visitor_id, annotator_id, a_on_left) SELECT ", id("9009", vote),
                 ", ", id("9008", "n"), ", ", id("9002", judge), ", ", id("9001", judge), ", k % 2 = 0 FROM ", votes));
    t.script(
        cat("INSERT INTO preference (id, exposure_id, pair_id, visitor_id, annotator_id, outcome, grade, reason, "
            "ms_to_decide, idempotency_key, body_sha256, source, blind) SELECT ",
            id("900a", vote), ", ", id("9009", vote), ", ", id("9008", "n"), ", ", id("9002", judge), ", ",
            id("9001", judge), ", 'graded', (n + k) % 7 - 3, 'porque sí', 1500 + n % 999, 'k' || (", vote,
            "), repeat('0', 64), 'demo', true FROM ", votes));
  });
  db.transaction([](storage::Transaction& t) { t.script("SET LOCAL statement_timeout = 0; ANALYZE"); });
}

struct Figures {
  double seconds = 0, client_cpu = 0, server_cpu = 0;  ///< wall and CPU seconds
  long rows = 0, bytes = 0, peak_kib = 0, base_kib = 0;
};

long resident_peak_kib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto s = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return s(usage.ru_utime) + s(usage.ru_stime);
}

// Of the private server and of its backends that have ended, as the kernel counts them.
double server_cpu_seconds() {
  double ticks = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream in(entry.path() / "stat");
    std::string line;
    if (!std::getline(in, line)) continue;
    const size_t end = line.rfind(')');
    if (end == std::string::npos || line.find("(postgres)") == std::string::npos) continue;
    std::istringstream rest(line.substr(end + 2));
    std::string skip;
    long parent = 0, value = 0;
    rest >> skip >> parent;
    if (parent != getpid()) continue;
    for (int field = 5; field <= 17; ++field) {
      rest >> value;
      if (field >= 14) ticks += static_cast<double>(value);
    }
  }
  return ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

// In a child, so that each figure has a peak of its own.
template <typename F>
Figures in_child(F&& work) {
  int ends[2];
  if (pipe(ends) != 0) return {};
  const double server_before = server_cpu_seconds();
  const pid_t child = fork();
  if (child == 0) {
    Figures figures;
    figures.base_kib = resident_peak_kib();
    const auto begin = std::chrono::steady_clock::now();
    const double cpu_before = cpu_seconds();
    work(figures);
    figures.client_cpu = cpu_seconds() - cpu_before;
    figures.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    figures.peak_kib = resident_peak_kib();
    _exit(write(ends[1], &figures, sizeof figures) == sizeof figures ? 0 : 1);
  }
  close(ends[1]);
  Figures figures;
  if (read(ends[0], &figures, sizeof figures) != sizeof figures) std::fprintf(stderr, "a measured process failed\n");
  close(ends[0]);
  waitpid(child, nullptr, 0);
  usleep(200'000);  // a backend is counted once its server has reaped it
  figures.server_cpu = server_cpu_seconds() - server_before;
  return figures;
}

struct Way {
  datasets::ExportKind kind = datasets::ExportKind::judgements;
  datasets::ExportForm form = datasets::ExportForm::jsonl;
  bool keep = false;  ///< control: every byte is held before it is written
  bool ahead = true;  ///< false is a control: server and client take turns
};

Figures measure(const storage::DatabaseTarget& target, const Way& way) {
  return in_child([&](Figures& figures) {
    storage::DatabaseOptions quiet;
    quiet.announce = false;
    const auto db = storage::Database::open(target, quiet);
    datasets::ExportRequest request;
    request.kind = way.kind;
    request.form = way.form;
    request.filter.fetch_ahead = way.ahead;
    request.actor = "bench";
    std::FILE* out = std::fopen("/dev/null", "wb");
    std::string held;
    const auto report = datasets::export_data(*db, request, [&](std::string_view bytes) {
      if (way.keep) held += bytes;
      return way.keep || std::fwrite(bytes.data(), 1, bytes.size(), out) == bytes.size();
    });
    std::fwrite(held.data(), 1, held.size(), out);
    std::fclose(out);
    figures.rows = report.rows;
    figures.bytes = static_cast<long>(report.bytes);
  });
}

void print(const char* name, const Figures& f) {
  const auto rate = [&](double seconds) { return seconds > 0 ? static_cast<double>(f.rows) / seconds : 0; };
  std::printf(
      "%-31s %8ld rows %8.0f rows/s; a CPU second: client %8.0f, server %8.0f, both in turn %8.0f; %5.0f MB, peak "
      "%6.1f MiB\n",
      name, f.rows, rate(f.seconds), rate(f.client_cpu), rate(f.server_cpu), rate(f.client_cpu + f.server_cpu),
      static_cast<double>(f.bytes) / 1e6, static_cast<double>(f.peak_kib) / 1024);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  using datasets::ExportForm;
  using datasets::ExportKind;
  const int large = argc > 1 ? std::atoi(argv[1]) : 1'000'000;
  if (large < 1000) {
    std::fprintf(stderr, "[bench export] N must be a number of judgements from 1000 on, but got \"%s\".\n", argv[1]);
    return 2;
  }
  for (const int votes : {large / 4, large}) {
    storage::TestDatabase test;
    seed(test.db(), votes / kVotesOfPair);
    std::printf("-- %d judgements on %d pairs\n", votes, votes / kVotesOfPair);
    measure(test.target(), {});  // the server's caches are warm for all
    print("judgements.jsonl", measure(test.target(), {}));
    print("control: taking turns", measure(test.target(), {.ahead = false}));
    print("judgements.parquet", measure(test.target(), {.form = ExportForm::parquet}));
    print("dpo.jsonl", measure(test.target(), {.kind = ExportKind::dpo}));
    print("control: judgements.jsonl held", measure(test.target(), {.keep = true}));
  }
  return 0;
}
