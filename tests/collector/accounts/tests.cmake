# Tests of accounts; sources are relative to tests/collector/.
afina_test(collector_accounts_test LABEL db
  SOURCES accounts/every_route_test.cpp accounts/full_body_tasks.cpp accounts/full_body_test.cpp accounts/full_body_world.cpp accounts/members_world.cpp accounts/networks_test.cpp accounts/bad_bodies_test.cpp accounts/others_objects_test.cpp accounts/own_data_test.cpp accounts/places_test.cpp accounts/programs_test.cpp accounts/repeats_test.cpp accounts/sign_in_test.cpp
          accounts/workspaces_test.cpp world.cpp
  DEPS afina_collector)
afina_test(collector_login_guard_test LABEL unit SOURCES accounts/login_guard_test.cpp DEPS afina_collector)
