set(_quality quality/eligible.cpp quality/eligible_tasks.cpp quality/known_answers.cpp quality/project_values.cpp quality/rating_votes.cpp quality/reliability.cpp quality/statistics.cpp)
