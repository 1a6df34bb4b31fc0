# What -DCUDA=OFF|EMULATED|ON does with kernels/*.cu. The same file is compiled by nvcc (ON) or, as plain C++
# beside the fiber emulator, by the host compiler (EMULATED).
function(add_device_sources target)
  if(CUDA STREQUAL "OFF")
    return()
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/*.cu)
  target_compile_definitions(${target} PUBLIC HAS_CUDA=1)
endfunction()
