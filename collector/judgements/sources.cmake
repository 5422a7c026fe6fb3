set(_judgements judgements/details_wire.cpp judgements/shown_details.cpp judgements/vote_writer.cpp)
