set(_streams streams/answer_jobs.cpp streams/breaker.cpp streams/live_reader.cpp)
