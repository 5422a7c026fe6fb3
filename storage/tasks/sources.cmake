set(_tasks
  tasks/adjudication.cpp tasks/holding.cpp tasks/item_lists.cpp tasks/item_rows.cpp tasks/item_sources.cpp
  tasks/items.cpp tasks/projects.cpp tasks/queue.cpp tasks/queue_detail.cpp tasks/submissions.cpp tasks/types.cpp
  tasks/verdict.cpp tasks/verdict_rows.cpp)
