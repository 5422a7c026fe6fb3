// SPDX-License-Identifier: Apache-2.0
#include "collector/services.h"

namespace afina::collector {

void add_proxy_routes(RouteTable&, Services&) {}

}  // namespace afina::collector
