set(_judgements judgements/answer_notes.cpp judgements/details.cpp judgements/pair_counts.cpp judgements/regenerations.cpp judgements/screen.cpp judgements/vote_rules.cpp judgements/votes.cpp)
