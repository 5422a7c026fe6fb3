afina_test(storage_judgements_test LABEL db DEPS afina_storage
  SOURCES judgements/details_test.cpp judgements/answer_notes_test.cpp judgements/screen_test.cpp judgements/vote_batch_test.cpp)
