set(_tasks tasks/routes.cpp)
