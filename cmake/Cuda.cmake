# nvcc without CMake's CUDA language, which would ask for a GPU toolkit at configure time of every build: the kernels are
# plain objects made by one command each. nvcc comes from a toolkit where one is installed, else from .deps/cuda, which
# deps/fetch_cuda.sh fills from pinned wheels. Headers of the runtime come with LibTorch's dependencies.

set(AFINA_CUDA_ARCHITECTURES "80;90a;100a" CACHE STRING "Architectures that the kernels are compiled for")
set(_runtime "${AFINA_DEPS}/python/nvidia/cu13")
find_program(AFINA_NVCC nvcc HINTS ENV CUDA_HOME PATHS /usr/local/cuda/bin "${AFINA_DEPS}/cuda/nvidia/cu13/bin"
             DOC "NVIDIA's compiler for the kernels of model/kernels/cuda")
if(NOT AFINA_NVCC)
  message(FATAL_ERROR "[cmake] must find nvcc for the kernels of model/kernels/cuda, but it is neither on PATH nor in "
                      "/usr/local/cuda nor in ${AFINA_DEPS}/cuda. Hint: run ./dev setup")
endif()

# afina_cuda_objects(out source.cu …): one object for all architectures a source; the list of objects goes into `out`.
function(afina_cuda_objects out)
  set(_codes)
  foreach(_arch IN LISTS AFINA_CUDA_ARCHITECTURES)
    list(APPEND _codes "-gencode=arch=compute_${_arch},code=sm_${_arch}")
  endforeach()
  set(_objects)
  foreach(_source IN LISTS ARGN)
    get_filename_component(_name "${_source}" NAME_WE)
    set(_object "${CMAKE_CURRENT_BINARY_DIR}/${_name}.cu.o")
    add_custom_command(
      OUTPUT "${_object}" DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${_source}" DEPFILE "${_object}.d"
      COMMAND "${AFINA_NVCC}" -std=c++20 -O3 ${_codes} -ccbin "${CMAKE_CXX_COMPILER}" "-I${CMAKE_SOURCE_DIR}" -isystem
              "${_runtime}/include" -Xcompiler -Wall,-Wextra,-fPIC -Werror all-warnings -MD -MF "${_object}.d" -c
              "${CMAKE_CURRENT_SOURCE_DIR}/${_source}" -o "${_object}"
      COMMENT "nvcc ${_source}" VERBATIM)
    list(APPEND _objects "${_object}")
  endforeach()
  set(${out} "${_objects}" PARENT_SCOPE)
endfunction()
