set(_quality quality/routes.cpp)
