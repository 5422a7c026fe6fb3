set(_judgements judgements/answer_notes.cpp judgements/details.cpp judgements/pair_counts.cpp judgements/regenerations.cpp judgements/votes.cpp)
