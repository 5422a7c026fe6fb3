// SPDX-License-Identifier: Apache-2.0
// Work that holds a connection for as long as somebody else likes, such as a file written to a slow reader.
#pragma once

namespace afina::storage {

/// While it lives, transactions of this thread take one of the few connections set apart for such work and leave all
/// others to those who come and go. May be nested.
class LongTransactions {
 public:
  LongTransactions();
  ~LongTransactions();
  LongTransactions(const LongTransactions&) = delete;
  LongTransactions& operator=(const LongTransactions&) = delete;
  /// Whether one lives on this thread.
  static bool here();
};

}  // namespace afina::storage
