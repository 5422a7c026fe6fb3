# Tests of transfer; sources are relative to tests/datasets/.
afina_test(datasets_transfer_test LABEL unit DEPS afina_datasets
  SOURCES transfer/bad_files_test.cpp transfer/golden_import_test.cpp transfer/labels_test.cpp transfer/writers_test.cpp)
afina_test(datasets_transfer_db_test LABEL db DEPS afina_datasets
  SOURCES transfer/import_again_db_test.cpp transfer/import_file_db_test.cpp transfer/scores_db_test.cpp
          transfer/transfer_db_test.cpp)
afina_test(datasets_raw_export_test LABEL db DEPS afina_datasets
  SOURCES transfer/erased_export_db_test.cpp transfer/notes_export_db_test.cpp transfer/raw_export_db_test.cpp transfer/shown_export_db_test.cpp
          transfer/task_vote_export_db_test.cpp transfer/training_export_db_test.cpp)
