afina_test(collector_streams_unit_test LABEL unit
  SOURCES streams/breaker_test.cpp
  DEPS afina_collector)
afina_test(collector_streams_db_test LABEL db
  SOURCES streams/streams_db_test.cpp world.cpp
  DEPS afina_collector)
