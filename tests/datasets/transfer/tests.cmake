# Tests of transfer; sources are relative to tests/datasets/.
afina_test(datasets_transfer_test LABEL unit DEPS afina_datasets
  SOURCES transfer/bad_files_test.cpp transfer/golden_import_test.cpp transfer/writers_test.cpp)
afina_test(datasets_transfer_db_test LABEL db DEPS afina_datasets
  SOURCES transfer/transfer_db_test.cpp)
