// Stand-ins for the vendor's libraries in the emulated build. kernels/vendor finds cublasLt.h and
// cudnn.h of this folder where a build with nvcc finds the toolkit's, and their functions by name
// here, where that build asks dlopen and dlsym. What a call computes is written out in plain loops
// that follow the documentation (vendor_cublaslt.cpp, vendor_cudnn.cpp), and runs when its stream
// does.
#pragma once
#include <string>

namespace emulator {

void* open_library(const char* file);  // null: there is none
void* find_function(void* library, const char* name);

// For tests: this library is not on the machine, or this function not in its library. "": all are.
void hide(const std::string& file_or_function);
// How often a function was called.
int calls(const char* function);

// ---- for the stand-ins

// Counts the call; the status that inject() asked for, or 0.
int called(const char* function);
int injected(const char* function);  // runtime.cpp

}  // namespace emulator
