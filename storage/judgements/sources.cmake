set(_judgements judgements/answer_notes.cpp judgements/details.cpp judgements/votes.cpp)
