set(_events events/acts.cpp events/dispatcher.cpp events/openapi.cpp events/retention_job.cpp events/routes.cpp events/signature.cpp)
set(_openapi_parts)
foreach(_part accounts common conversations events judgements proxy quality tasks transfer)
  list(APPEND _openapi_parts "events/openapi/${_part}.json")
endforeach()
# The library does not exist yet where this list is read.
cmake_language(DEFER CALL afina_embed afina_collector openapi_parts_files ${_openapi_parts})
