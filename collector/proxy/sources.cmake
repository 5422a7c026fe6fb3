set(_proxy proxy/routes.cpp)
