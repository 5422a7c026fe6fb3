set(_quality quality/project_values.cpp quality/rating_votes.cpp quality/reliability.cpp quality/statistics.cpp)
