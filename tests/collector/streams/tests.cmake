afina_test(collector_streams_unit_test LABEL unit
  SOURCES streams/breaker_test.cpp
  DEPS afina_collector)
