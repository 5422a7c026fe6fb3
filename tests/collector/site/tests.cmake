# Tests of site; sources are relative to tests/collector/. Three programs, a browser each: what visitors do, what members
# see, and how they work, with a network and without. Much of their time is a browser's own waiting, so that they fit on
# two cores at once.
set(_page_support site/page_world.cpp site/plug.cpp world.cpp ../support/webdriver.cpp)
afina_test(collector_browser_test LABEL browser TIMEOUT 400
  SOURCES browser_test.cpp site/acts_page_test.cpp site/chat_page_test.cpp site/hostile_page_test.cpp ${_page_support}
  DEPS afina_collector)
afina_test(collector_rooms_browser_test LABEL browser TIMEOUT 400
  SOURCES site/boards_page_test.cpp site/crowd_page_test.cpp site/join_page_test.cpp site/leaving_page_test.cpp
    site/lost_reply_page_test.cpp site/rooms_page_test.cpp site/session_page_test.cpp ${_page_support}
  DEPS afina_collector)
afina_test(collector_work_browser_test LABEL browser TIMEOUT 400
  SOURCES site/desk_page_test.cpp site/offline_page_test.cpp site/shown_page_test.cpp site/tasks_page_test.cpp ${_page_support}
  DEPS afina_collector)
# axe-core comes inside a wheel, used as an archive.
foreach(_program collector_browser_test collector_rooms_browser_test collector_work_browser_test)
  if(TARGET ${_program})
    target_compile_definitions(${_program} PRIVATE AFINA_AXE_FILE="${AFINA_DEPS}/python/axe_playwright_python/axe.min.js")
    set_tests_properties(${_program} PROPERTIES RUN_SERIAL FALSE)
  endif()
endforeach()
