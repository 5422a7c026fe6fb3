// SPDX-License-Identifier: Apache-2.0
// Durable votes a second: put_preference on a real private cluster with fsync, each vote acknowledged after its commit,
// by 1, 8 and 32 threads. Beside it the disk's bound: flushes a second of one 8 KiB block by one writer.
//   bench_votes FOLDER [votes]     FOLDER: on the disk that is measured; a home is made in it and left stopped
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <thread>

#include "base/clock.h"
#include "base/error.h"
#include "bench/bench_report.h"
#include "storage/conversations.h"
#include "storage/database.h"
#include "storage/people.h"
#include "storage/preferences.h"
#include "storage/transaction.h"

namespace {

namespace fs = std::filesystem;
using namespace afina;
using namespace afina::storage;

std::string make_visitor(Database& db) {
  NewVisitor v;
  v.session_token = new_session_token();
  v.receipt_code = new_receipt_code();
  db.transaction([&](Transaction& t) {
    v.consent.text_id = ensure_consent_text(t, "bench", "en", "bench").id;
    create_visitor(t, v);
  });
  return v.id;
}

Exposure make_exposure(Transaction& t, const std::string& visitor_id) {
  Conversation c;
  c.visitor_id = visitor_id;
  create_conversation(t, c);
  Generation a;
  a.conversation_id = c.id;
  a.model = std::string("m");
  a.text = std::string("an answer");
  Generation b = a;
  b.id = new_uuid();
  b.slot = 1;
  append_generation(t, a);
  append_generation(t, b);
  Exposure e;
  e.pair_id = create_pair(t, a.id, b.id).id;
  e.visitor_id = visitor_id;
  return create_exposure(t, e);
}

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

void measure(Database& db, const std::string& visitor_id, int threads, int votes) {
  std::vector<Exposure> shown;
  for (int i = 0; i < votes; i += 100) {
    db.transaction([&](Transaction& t) {
      for (int j = 0; j < 100; ++j) {
        shown.push_back(make_exposure(t, visitor_id));
      }
    });
  }
  std::vector<double> ms(shown.size());
  std::atomic<size_t> next{0};
  const Stopwatch watch;
  {
    std::vector<std::jthread> writers;
    for (int i = 0; i < threads; ++i) {
      writers.emplace_back([&] {
        for (size_t k = next++; k < shown.size(); k = next++) {
          NewPreference vote;
          vote.exposure_id = shown[k].id;
          vote.visitor_id = visitor_id;
          vote.grade = static_cast<int>(k % 7) - 3;
          vote.idempotency_key = vote.id;
          const Stopwatch one;
          db.transaction([&](Transaction& t) { put_preference(t, vote); });
          ms[k] = one.seconds() * 1e3;
        }
      });
    }
  }
  const double seconds = watch.seconds();
  std::sort(ms.begin(), ms.end());
  std::printf("%3d threads: %7.0f votes/s, p50 %.2f ms, p99 %.2f ms, worst %.1f ms\n", threads,
              static_cast<double>(shown.size()) / seconds, ms[ms.size() / 2], ms[ms.size() * 99 / 100], ms.back());
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc < 2) throw UsageError("[bench] a folder must be given, but is not.", "bench_votes FOLDER [votes]");
    const fs::path folder = fs::absolute(argv[1]);
    const int votes = argc > 2 ? std::atoi(argv[2]) : 4000;
    fs::create_directories(folder);
    std::printf("%s\nother load %.2f cores\n", bench::machine_line(2).c_str(), bench::other_load(1.0));
    std::printf("flushes/s of one writer: %.0f\n", flushes_per_second(folder));
    DatabaseOptions options;
    options.max_connections = 32;
    options.pool_wait = std::chrono::seconds(30);
    options.keeper_linger = std::chrono::milliseconds(500);
    const auto db = Database::open({DatabaseTarget::Kind::home, "", folder / "home"}, options);
    const std::string visitor_id = make_visitor(*db);
    for (const int threads : {1, 8, 32})
      measure(*db, visitor_id, threads, votes);
    return 0;
  } catch (const std::exception& error) {
    return report_exception(error);
  }
}
