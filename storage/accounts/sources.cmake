set(_accounts accounts/accounts.cpp accounts/invitations.cpp accounts/operator.cpp accounts/sessions.cpp accounts/tokens.cpp)
