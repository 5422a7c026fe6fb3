set(_streams streams/breaker.cpp streams/live_reader.cpp)
