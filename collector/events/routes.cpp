// SPDX-License-Identifier: Apache-2.0
#include "collector/services.h"

namespace afina::collector {

void add_event_routes(RouteTable&, Services&) {}

}  // namespace afina::collector
