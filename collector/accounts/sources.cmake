set(_accounts accounts/routes.cpp)
