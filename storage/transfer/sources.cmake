set(_transfer
    transfer/import_batch.cpp transfer/imports.cpp transfer/mark_stream.cpp transfer/note_stream.cpp
    transfer/pair_stream.cpp transfer/row_streams.cpp transfer/settled.cpp transfer/submission_stream.cpp)
