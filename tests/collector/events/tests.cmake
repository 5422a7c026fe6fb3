# Tests of events; sources are relative to tests/collector/.
afina_test(collector_events_test LABEL db DEPS afina_collector
  SOURCES events/dispatcher_test.cpp events/event_types_test.cpp events/openapi_test.cpp events/rights_test.cpp events/signature_test.cpp world.cpp)
afina_test(collector_webhook_kills_test LABEL slow DEPS afina_collector
  SOURCES events/webhook_kills_test.cpp world.cpp)
