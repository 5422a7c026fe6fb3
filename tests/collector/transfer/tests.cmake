# Tests of transfer; sources are relative to tests/collector/.
afina_test(collector_transfer_test LABEL db
  SOURCES transfer/stuck_readers_test.cpp transfer/transfer_routes_test.cpp accounts/members_world.cpp world.cpp
  DEPS afina_collector)
