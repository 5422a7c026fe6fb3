set(_accounts accounts/accounts.cpp)
