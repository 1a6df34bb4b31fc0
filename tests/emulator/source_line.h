// From an address in the code to the line of source that it came from.
#pragma once
#include <cstdint>
#include <string>

namespace emulator {

// "kernels/reduce.h:31, called at kernels/groupnorm.cu:40": the line and those it was inlined into.
// Read from the debug information by binutils' addr2line; "program+0x1234" where there is none.
std::string source_line(uintptr_t return_address);
std::string function_name(const void* function);  // "groupnorm_forward_kernel<float>"
std::string without_source_folder(const std::string& path);

// Code addresses are kept as offsets from the program's start: 4 bytes each.
uint32_t short_address(void* return_address);
uintptr_t full_address(uint32_t);

}  // namespace emulator
