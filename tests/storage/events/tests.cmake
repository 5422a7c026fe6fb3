# Tests of events; sources are relative to tests/storage/.
afina_test(storage_events_test LABEL db DEPS afina_storage
  SOURCES events/backup_test.cpp events/erasing_tasks_test.cpp events/profiles_test.cpp events/retention_test.cpp events/webhooks_test.cpp
          events/withdrawals_test.cpp)
