# Tests of quality; sources are relative to tests/collector/.
afina_test(collector_quality_unit_test LABEL unit DEPS afina_collector
  SOURCES quality/agreement_report_test.cpp quality/annotator_report_test.cpp quality/layouts_test.cpp quality/leaderboard_test.cpp quality/report_cache_test.cpp)
afina_test(collector_quality_test LABEL db DEPS afina_collector
  SOURCES quality/routes_test.cpp)
