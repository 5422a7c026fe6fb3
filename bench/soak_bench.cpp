// SPDX-License-Identifier: Apache-2.0
// The soak by command: bench_soak AFINA_COLLECTOR [SECONDS] [--leak] [--rest MS]. Exit code 1 where something grew or
// failed.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/cat.h"
#include "base/error.h"
#include "bench/bench_report.h"
#include "bench/soak.h"

int main(int argc, char** argv) {
  using namespace afina;
  try {
    if (argc < 2)
      throw UsageError("[bench] must be called as bench_soak AFINA_COLLECTOR [SECONDS] [--leak] [--rest MS].");
    bench::SoakOptions options;
    options.collector = argv[1];
    if (argc > 2) options.time = std::chrono::seconds(std::atoi(argv[2]));
    for (int i = 3; i < argc; ++i) {
      if (std::strcmp(argv[i], "--leak") == 0) {
        options.leak = true;
      } else if (std::strcmp(argv[i], "--rest") == 0 && i + 1 < argc) {
        options.between_acts = std::chrono::milliseconds(std::atoi(argv[++i]));
      } else {
        throw UsageError(cat("[bench] must be given --leak or --rest MS, but got '", argv[i], "'."));
      }
    }
    if (options.time.count() < 10) throw UsageError("[bench] must run for 10 seconds or more.");
    std::printf("%s\n", bench::machine_line(2).c_str());
    const bench::SoakReport report = bench::run_soak(options);
    for (const std::string& fault : report.faults)
      std::printf("FAULT: %s\n", fault.c_str());
    std::printf("%s\n", report.faults.empty() ? "flat, and every act was served" : "the soak FAILED");
    return report.faults.empty() ? 0 : 1;
  } catch (const std::exception& error) {
    return report_exception(error);
  }
}
