# Tests of transfer; sources are relative to tests/storage/.
afina_test(storage_cursor_test LABEL db DEPS afina_storage
  SOURCES transfer/cursor_test.cpp)
