// SPDX-License-Identifier: Apache-2.0
// What a fuzz target does where its oracle fails: prints the claim and dies, which libFuzzer keeps as a crash.
#pragma once
#include <cstdio>
#include <cstdlib>

namespace afina {

inline void require(bool holds, const char* claim) {
  if (holds) return;
  std::fprintf(stderr, "the oracle failed: %s\n", claim);
  std::abort();
}

}  // namespace afina
