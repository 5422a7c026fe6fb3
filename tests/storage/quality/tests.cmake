# Tests of quality; sources are relative to tests/storage/.
afina_test(storage_quality_test LABEL db DEPS afina_storage
  SOURCES quality/reliability_test.cpp)
