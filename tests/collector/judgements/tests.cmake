# Tests of judgements; sources are relative to tests/collector/.
afina_test(collector_judgements_unit_test LABEL unit DEPS afina_collector
  SOURCES judgements/leak_test.cpp judgements/vote_writer_test.cpp)
afina_test(collector_judgements_test LABEL db DEPS afina_collector
  SOURCES judgements/bad_votes_test.cpp judgements/details_flow_test.cpp judgements/regenerate_test.cpp judgements/shown_flow_test.cpp world.cpp)
afina_test(collector_kills_test LABEL slow TIMEOUT 1800 DEPS afina_collector
  SOURCES judgements/kills_test.cpp world.cpp)
