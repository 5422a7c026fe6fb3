# Dear ImGui (docking) and ImPlot as shipped (imgui, implot, imgui_glfw), and a second build with test hooks
# (imgui_te, implot_te, imgui_test_engine) for the interaction tests only: its licence keeps it out of the programs.
set(_imgui "${AFINA_DEPS}/imgui/imgui/imgui")
set(_implot "${AFINA_DEPS}/imgui/implot/implot")
set(_te_root "${AFINA_DEPS}/imgui/imgui_test_engine/imgui_test_engine")
set(_te "${_te_root}/imgui_test_engine")

find_package(glfw3 3.3 REQUIRED)
find_package(OpenGL REQUIRED COMPONENTS OpenGL EGL)
find_package(PNG REQUIRED)

function(afina_imgui_library suffix)
  cmake_parse_arguments(A "" "" "DEFINES" ${ARGN})
  add_library(imgui${suffix} STATIC EXCLUDE_FROM_ALL ${_imgui}/imgui.cpp ${_imgui}/imgui_draw.cpp ${_imgui}/imgui_tables.cpp
    ${_imgui}/imgui_widgets.cpp ${_imgui}/imgui_demo.cpp ${_imgui}/imgui_stacklayout.cpp
    ${_imgui}/misc/cpp/imgui_stdlib.cpp ${_imgui}/backends/imgui_impl_opengl3.cpp)
  target_include_directories(imgui${suffix} SYSTEM PUBLIC ${_imgui} ${_imgui}/backends ${_imgui}/misc/cpp)
  target_include_directories(imgui${suffix} PUBLIC ${CMAKE_SOURCE_DIR})
  target_compile_definitions(imgui${suffix} PUBLIC IMGUI_USER_CONFIG="gui/imconfig.h" ${A_DEFINES})
  target_link_libraries(imgui${suffix} PUBLIC ${CMAKE_DL_LIBS})
  add_library(implot${suffix} STATIC EXCLUDE_FROM_ALL ${_implot}/implot.cpp ${_implot}/implot_items.cpp)
  target_include_directories(implot${suffix} SYSTEM PUBLIC ${_implot})
  target_compile_definitions(implot${suffix} PRIVATE "IMPLOT_CUSTOM_NUMERIC_TYPES=(int)(float)(double)")
  target_link_libraries(implot${suffix} PUBLIC imgui${suffix})
endfunction()

afina_imgui_library("")
add_library(imgui_glfw STATIC EXCLUDE_FROM_ALL ${_imgui}/backends/imgui_impl_glfw.cpp)
target_link_libraries(imgui_glfw PUBLIC imgui glfw)

if(AFINA_TESTS)
  afina_imgui_library(_te DEFINES AFINA_UI_TESTS=1)
  target_include_directories(imgui_te SYSTEM PUBLIC ${_te_root} ${_te})
  add_library(imgui_test_engine STATIC EXCLUDE_FROM_ALL ${_te}/imgui_capture_tool.cpp ${_te}/imgui_te_context.cpp
    ${_te}/imgui_te_coroutine.cpp ${_te}/imgui_te_engine.cpp ${_te}/imgui_te_exporters.cpp
    ${_te}/imgui_te_perftool.cpp ${_te}/imgui_te_ui.cpp ${_te}/imgui_te_utils.cpp)
  target_link_libraries(imgui_test_engine PUBLIC implot_te Threads::Threads)
  target_link_libraries(imgui_te PUBLIC imgui_test_engine)
endif()
