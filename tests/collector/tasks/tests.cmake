# Tests of tasks; sources are relative to tests/collector/.
afina_test(collector_tasks_test LABEL db DEPS afina_collector
  SOURCES tasks/review_routes_test.cpp tasks/task_routes_test.cpp world.cpp)
