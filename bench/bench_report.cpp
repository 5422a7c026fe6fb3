// SPDX-License-Identifier: Apache-2.0
#include "bench/bench_report.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/clock.h"
#include "base/error.h"

namespace afina::bench {
namespace {

std::string value_after(const char* file, const std::string& key) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (line.rfind(key, 0) == 0) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

// Busy and own processor seconds since boot and since start.
double busy_seconds() {
  std::ifstream in("/proc/stat");
  std::string name;
  double user = 0, nice = 0, system = 0;
  in >> name >> user >> nice >> system;
  return (user + nice + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

double own_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace

Spread spread(std::vector<double> values) {
  if (values.empty()) throw UsageError("[bench] must have at least one value, but got none.");
  std::sort(values.begin(), values.end());
  return {values[values.size() / 2], values.front(), values.back()};
}

std::string machine_line(int threads) {
  return cat(value_after("/proc/cpuinfo", "model name"), ", ", threads, " threads, ", now_iso8601());
}

int64_t peak_rss_bytes() {
  return std::atoll(value_after("/proc/self/status", "VmHWM").c_str()) * 1024;
}

double other_load(double seconds) {
  const double busy = busy_seconds(), own = own_seconds();
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  return std::max(0.0, ((busy_seconds() - busy) - (own_seconds() - own)) / seconds);
}

}  // namespace afina::bench
