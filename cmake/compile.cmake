# How every file of ours is compiled. Contraction is off so that a formula has one rounding per written operation
# (fma is written where it is meant); nothing is allowed that reorders floating-point sums.
add_library(autodidact_flags INTERFACE)
target_compile_options(autodidact_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wshadow;-Wconversion;-Wno-sign-conversion;-Werror;-ffp-contract=off;-fno-math-errno>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 reports uninitialised lanes inside Highway's own vector headers at -O3.
  # -Wrestrict has a false alarm on std::string + (GCC bug 105651).
  target_compile_options(autodidact_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-maybe-uninitialized;-Wno-psabi;-Wno-restrict>)
endif()
# SIMD classes: AVX2 and AVX-512 (Highway's AVX3), chosen at run time by kernels/cpu_class.h. AVX2 is named the
# baseline only so that Highway compiles no third variant; it is entered only where the CPU has it, and our plain
# bodies serve everything else.
target_compile_definitions(autodidact_flags INTERFACE
  HWY_BASELINE_TARGETS=HWY_AVX2 HWY_DISABLED_TARGETS=HWY_AVX3_DL)
if(SANITIZE)
  target_compile_options(autodidact_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${SANITIZE};-fno-sanitize-recover=all;-fno-omit-frame-pointer>)
  add_link_options(-fsanitize=${SANITIZE})
  if(SANITIZE MATCHES address)
    # A check of every pointer's sum for overflow is half of the time that unrolled kernels take to compile; the address
    # sanitizer finds such a pointer where it is used.
    target_compile_options(autodidact_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize=pointer-overflow>)
  endif()
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    # Functions of more than 500 accesses call the checks in place of having them inside: half of the code of a kernel.
    if(SANITIZE MATCHES address)
      target_compile_options(autodidact_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:SHELL:-mllvm -asan-instrumentation-with-call-threshold=500>)
    endif()
    foreach(kind ADDRESS THREAD)   # GCC defines these by itself; the code asks for them alone
      string(TOLOWER ${kind} word)
      if(SANITIZE MATCHES ${word})
        target_compile_definitions(autodidact_flags INTERFACE __SANITIZE_${kind}__=1)
      endif()
    endforeach()
  endif()
endif()
