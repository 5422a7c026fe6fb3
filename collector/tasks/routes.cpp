// SPDX-License-Identifier: Apache-2.0
#include "collector/tasks/routes.h"

namespace afina::collector {

void add_task_routes(RouteTable& routes, Services& services) {
  add_project_routes(routes, services);
  add_item_routes(routes, services);
  add_work_routes(routes, services);
  add_review_routes(routes, services);
}

}  // namespace afina::collector
