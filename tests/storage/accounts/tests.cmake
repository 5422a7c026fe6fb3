# Tests of accounts; sources are relative to tests/storage/.
afina_test(storage_accounts_test LABEL db DEPS afina_storage
  SOURCES accounts/accounts_test.cpp accounts/audit_test.cpp accounts/row_security_test.cpp)
