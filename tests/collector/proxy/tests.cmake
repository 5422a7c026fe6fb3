# Tests of proxy; sources are relative to tests/collector/.
afina_test(collector_proxy_unit_test LABEL unit DEPS afina_collector
  SOURCES proxy/alarms_test.cpp proxy/assembler_test.cpp proxy/chat_request_test.cpp)
afina_test(collector_proxy_test LABEL db DEPS afina_collector
  SOURCES proxy/beyond_text_test.cpp proxy/feedback_test.cpp proxy/proxy_test.cpp proxy/refusals_test.cpp
          proxy/upstreams_test.cpp proxy/waiting_feedback_test.cpp world.cpp)
