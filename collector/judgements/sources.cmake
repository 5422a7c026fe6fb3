set(_judgements judgements/details_wire.cpp judgements/informative.cpp judgements/leak.cpp judgements/regenerate.cpp judgements/shown_details.cpp judgements/vote_writer.cpp)
