# Soaks of a real collector; sources are relative to tests/collector/.
set(_soak_sources ${CMAKE_SOURCE_DIR}/bench/soak.cpp ${CMAKE_SOURCE_DIR}/bench/soak_load.cpp
    ${CMAKE_SOURCE_DIR}/bench/soak_broken.cpp ${CMAKE_SOURCE_DIR}/bench/stream_processes.cpp)
afina_test(collector_short_soak_test LABEL db
  SOURCES soak/short_soak_test.cpp ${_soak_sources}
  DEPS afina_storage afina_http)
afina_test(collector_soak_test LABEL db TIMEOUT 300
  SOURCES soak/soak_test.cpp ${_soak_sources}
  DEPS afina_storage afina_http)
if(AFINA_TESTS)
  add_dependencies(collector_short_soak_test afina-collector)
  add_dependencies(collector_soak_test afina-collector)
endif()
