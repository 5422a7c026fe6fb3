// SPDX-License-Identifier: Apache-2.0
// Conflicts that no repeated idempotency key made.
#pragma once
#include "base/error.h"

namespace afina::storage {

/// What stands in the store leaves no room for what was to be written: somebody was faster, a name is taken, a cap is
/// reached. Looking again tells more than sending again.
class Occupied : public Conflict {
 public:
  using Conflict::Conflict;
};

/// A turn of a conversation holds another message: two were sent at one moment.
class TurnTaken : public Occupied {
 public:
  using Occupied::Occupied;
};

}  // namespace afina::storage
