set(_tasks tasks/types.cpp)
