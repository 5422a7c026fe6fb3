// SPDX-License-Identifier: Apache-2.0
#include "collector/services.h"

namespace afina::collector {

void add_task_routes(RouteTable&, Services&) {}

}  // namespace afina::collector
