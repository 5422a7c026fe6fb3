set(_transfer transfer/import_batch.cpp transfer/imports.cpp transfer/pair_stream.cpp transfer/row_streams.cpp transfer/settled.cpp)
