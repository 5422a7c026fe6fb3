// SPDX-License-Identifier: Apache-2.0
#include "collector/services.h"

namespace afina::collector {

void add_transfer_routes(RouteTable&, Services&) {}

}  // namespace afina::collector
