set(_transfer transfer/routes.cpp)
