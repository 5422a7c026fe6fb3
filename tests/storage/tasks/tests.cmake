# Tests of tasks; sources are relative to tests/storage/.
afina_test(storage_tasks_test LABEL db DEPS afina_storage
  SOURCES tasks/adjudication_test.cpp tasks/public_pairs_test.cpp tasks/queue_test.cpp
          tasks/submissions_test.cpp tasks/task_consent_test.cpp tasks/verdict_test.cpp)
