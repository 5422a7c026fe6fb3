set(_tasks
  tasks/review_losses.cpp tasks/routes.cpp tasks/routes_items.cpp tasks/routes_projects.cpp tasks/routes_review.cpp
  tasks/routes_work.cpp tasks/verdict_wire.cpp tasks/wire.cpp)
