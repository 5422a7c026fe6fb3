set(_events events/routes.cpp)
