# afina_embed(target symbol FILES…): files as constants in the program, so that a binary needs no data folder beside it.
# Generates <symbol>.h with `std::span<const afina::EmbeddedFile> <symbol>()`: name (path relative to the calling folder) and
# bytes, in the order given. The generated source is rewritten only when a file changes.
function(afina_embed target symbol)
  set(_inputs "")
  foreach(_file IN LISTS ARGN)
    list(APPEND _inputs "${CMAKE_CURRENT_SOURCE_DIR}/${_file}")
  endforeach()
  set(_out "${CMAKE_CURRENT_BINARY_DIR}/embedded/${symbol}")
  add_custom_command(OUTPUT "${_out}.cpp" "${_out}.h"
    COMMAND ${CMAKE_COMMAND} "-DOUT=${_out}" "-DSYMBOL=${symbol}" "-DROOT=${CMAKE_CURRENT_SOURCE_DIR}" "-DFILES=${ARGN}"
            -P "${CMAKE_SOURCE_DIR}/cmake/embed_script.cmake"
    DEPENDS ${_inputs} "${CMAKE_SOURCE_DIR}/cmake/embed_script.cmake" VERBATIM)
  target_sources(${target} PRIVATE "${_out}.cpp" "${_out}.h")
  target_include_directories(${target} PRIVATE "${CMAKE_CURRENT_BINARY_DIR}")
endfunction()
