// SPDX-License-Identifier: Apache-2.0
// A minute of mixed load on one collector: nothing grows, nothing fails. An hour by command: ./dev bench soak 3600
#include <gtest/gtest.h>

#include "bench/soak.h"

namespace afina::bench {
namespace {

TEST(Soak, AMinuteOfMixedLoadLeavesMemoryAndDescriptorsAsTheyWere) {
  SoakOptions options;
  options.collector = AFINA_BIN_DIR "/afina-collector";
  options.time = std::chrono::seconds(60);
  options.between_acts = std::chrono::milliseconds(200);  // other tests run beside it
  const SoakReport report = run_soak(options);
  for (const std::string& fault : report.faults)
    ADD_FAILURE() << fault;
}

}  // namespace
}  // namespace afina::bench
