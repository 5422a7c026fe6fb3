# Tests of site; sources are relative to tests/collector/.
afina_test(collector_browser_test LABEL browser TIMEOUT 240
  SOURCES browser_test.cpp site/acts_page_test.cpp site/desk_page_test.cpp site/hostile_page_test.cpp site/offline_page_test.cpp site/page_world.cpp site/plug.cpp site/rooms_page_test.cpp site/tasks_page_test.cpp world.cpp ../support/webdriver.cpp
  DEPS afina_collector)
# axe-core comes inside a wheel, used as an archive.
if(TARGET collector_browser_test)
  target_compile_definitions(collector_browser_test PRIVATE AFINA_AXE_FILE="${AFINA_DEPS}/python/axe_playwright_python/axe.min.js")
endif()
