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

# The runtime of LibTorch's wheel; libtorch_cuda itself only with AFINA_CUDA.
if(AFINA_CUDA AND NOT TARGET deps_cudart)
  add_library(deps_cudart INTERFACE)
  add_library(deps::cudart ALIAS deps_cudart)
  target_include_directories(deps_cudart SYSTEM INTERFACE "${_runtime}/include")
  target_link_libraries(deps_cudart INTERFACE "${_runtime}/lib/libcudart.so.13")
  target_link_options(deps_cudart INTERFACE "-Wl,-rpath,${_runtime}/lib")

  # NVIDIA's libraries (deps/cuda_runtime.txt) are looked up at run time; without them a program links and does not start.
  set(_torch_lib "${AFINA_DEPS}/python/torch/lib")
  add_library(deps_torch_cuda INTERFACE)
  add_library(deps::torch_cuda ALIAS deps_torch_cuda)
  target_link_libraries(deps_torch_cuda INTERFACE deps::cudart "${_torch_lib}/libc10_cuda.so" "${_torch_lib}/libtorch_cuda.so")
  target_link_options(deps_torch_cuda INTERFACE "-Wl,--allow-shlib-undefined")
  file(GLOB _nvidia LIST_DIRECTORIES ON "${AFINA_DEPS}/cuda/nvidia/*/lib")
  foreach(_folder IN LISTS _nvidia)
    target_link_options(deps_torch_cuda INTERFACE "-Wl,-rpath,${_folder}" "-Wl,-rpath-link,${_folder}")
  endforeach()
endif()
