# What -DCUDA=OFF|EMULATED|ON does with kernels/*.cu. The same file is compiled by nvcc (ON) or, as plain C++
# beside the fiber emulator of tests/emulator, by the host compiler (EMULATED).
if(NOT CUDA MATCHES "^(OFF|EMULATED|ON)$")
  message(FATAL_ERROR "CUDA must be OFF, EMULATED or ON, got ${CUDA}")
endif()

if(CUDA STREQUAL "ON")
  # Real code for each supported chip, and PTX of the newest for those to come.
  set(CMAKE_CUDA_ARCHITECTURES "80-real;90-real;100-real;120" CACHE STRING "CUDA architectures")
  set(CMAKE_CUDA_HOST_COMPILER ${CMAKE_CXX_COMPILER} CACHE STRING "host compiler of nvcc")
  if(CCACHE AND NOT CMAKE_CUDA_COMPILER_LAUNCHER)
    set(CMAKE_CUDA_COMPILER_LAUNCHER ${CCACHE})
  endif()
  enable_language(CUDA)
  if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # Debian's CMake 3.25.1 does not know that nvcc has C++20
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
  endif()
  target_compile_options(autodidact_flags INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:
    --fmad=false --expt-relaxed-constexpr -Werror=all-warnings -Xcompiler=-Wall,-Wextra,-Werror,-ffp-contract=off>)
endif()

if(CUDA STREQUAL "EMULATED")
  if(SANITIZE MATCHES "thread")
    message(FATAL_ERROR "SANITIZE=thread and CUDA=EMULATED exclude each other: the emulator stands in for the thread sanitizer's run time")
  endif()
  find_package(Boost REQUIRED COMPONENTS context)
  file(GLOB emulator CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/emulator/*.cpp)
  list(FILTER emulator EXCLUDE REGEX "/test_[^/]*$")
  # The compilers cannot combine -fsanitize=thread with address: a build with sanitizers runs the kernels under those and
  # does without the watching of memory. Arrays in registers are not in that memory: their bounds are checked by
  # -fsanitize=bounds.
  if(SANITIZE)
    list(FILTER emulator EXCLUDE REGEX "/tsan_calls.cpp$")
    set(watch)
  else()
    set(watch -fsanitize=thread,bounds -fno-sanitize-recover=bounds)
  endif()
  add_library(autodidact_emulator STATIC ${emulator})
  target_include_directories(autodidact_emulator PRIVATE ${PROJECT_SOURCE_DIR}/tests/emulator ${PROJECT_SOURCE_DIR})
  target_compile_definitions(autodidact_emulator PRIVATE SOURCE_DIR="${PROJECT_SOURCE_DIR}" BINARY_DIR="${PROJECT_BINARY_DIR}")
  target_link_libraries(autodidact_emulator PUBLIC Boost::context PRIVATE autodidact_flags)
  if(watch)
    target_link_options(autodidact_emulator INTERFACE -Wl,--wrap=memcpy,--wrap=memmove,--wrap=memset -fsanitize=bounds)
  endif()

  # Device code: little optimised, so that each access to memory that is written is made, on its own line.
  set(device_options -O1 -g -fno-optimize-sibling-calls ${watch})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    list(APPEND device_options -Wno-tsan)  # fences in the standard library's headers
  endif()
  function(emulate_device_code)
    set_source_files_properties(${ARGN} PROPERTIES LANGUAGE CXX COMPILE_OPTIONS "${device_options}"
      COMPILE_DEFINITIONS EMULATE_CUDA INCLUDE_DIRECTORIES ${PROJECT_SOURCE_DIR}/tests/emulator)
  endfunction()
endif()

function(add_device_sources target folder)
  if(CUDA STREQUAL "OFF")
    return()
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.cu)
  target_sources(${target} PRIVATE ${sources})
  target_compile_definitions(${target} PUBLIC HAS_CUDA=1)
  if(CUDA STREQUAL "EMULATED")
    emulate_device_code(${sources})
    target_link_libraries(${target} PUBLIC autodidact_emulator)
  endif()
endfunction()

# cuBLASLt and cuDNN: their headers alone (the emulator has its own of the same names); the libraries are loaded at run
# time.
function(add_vendor_sources target)
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/vendor/*.cpp ${PROJECT_SOURCE_DIR}/kernels/vendor/*.cu)
  target_sources(${target} PRIVATE ${sources})
  target_compile_definitions(${target} PUBLIC HAS_VENDOR=1)
  if(CUDA STREQUAL "EMULATED")
    emulate_device_code(${sources})
    return()
  endif()
  foreach(header cublasLt cudnn)
    find_path(${header}_INCLUDE ${header}.h HINTS ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
    if(NOT ${header}_INCLUDE)
      message(FATAL_ERROR "VENDOR=ON needs ${header}.h, which is not found; install it, name its folder in ${header}_INCLUDE, or build with -DVENDOR=OFF")
    endif()
    target_include_directories(${target} SYSTEM PRIVATE ${${header}_INCLUDE})
  endforeach()
  target_include_directories(${target} SYSTEM PRIVATE ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
  target_link_libraries(${target} PUBLIC ${CMAKE_DL_LIBS})
endfunction()

# The CUDA runtime that engine/cuda calls: the toolkit's, linked statically so that the program also starts on a machine
# without a driver, or the emulator's.
function(add_device_runtime target)
  if(CUDA STREQUAL "ON")
    find_package(CUDAToolkit REQUIRED)
    target_link_libraries(${target} PUBLIC CUDA::cudart_static)
  elseif(CUDA STREQUAL "EMULATED")
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/tests/emulator)
  endif()
endfunction()
