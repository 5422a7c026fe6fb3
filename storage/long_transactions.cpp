// SPDX-License-Identifier: Apache-2.0
#include "storage/long_transactions.h"

namespace afina::storage {
namespace {

int& depth() {
  thread_local int nested = 0;
  return nested;
}

}  // namespace

LongTransactions::LongTransactions() {
  ++depth();
}

LongTransactions::~LongTransactions() {
  --depth();
}

bool LongTransactions::here() {
  return depth() > 0;
}

}  // namespace afina::storage
