// What ptxas made of each kernel, read from object files that nvcc wrote.
#pragma once
#include <string>
#include <vector>

namespace kernel_report {

// How many instructions move how much at a time.
struct Accesses {
  int wide = 0;  // 16 bytes
  int all = 0;
};

// One instance of a kernel for one chip.
struct Code {
  std::string file;        // "layernorm.cu"
  std::string name;        // "layernorm_forward_kernel<8, bf16>(LayerNormForward<bf16>)"
  int chip = 0;            // 90 of sm_90
  int registers = 0;       // of a thread
  int stack = 0;           // bytes of local memory of a thread
  int static_shared = 0;   // bytes of a block
  int most_threads = 0;    // __launch_bounds__, or 0
  Accesses loads, stores;  // of global memory
  int local = 0;           // loads and stores of local memory: spills, and arrays in no register
  bool tensor_cores = false;
};

// Throws std::runtime_error with the file's name where it has no machine code that can be read.
std::vector<Code> read_code(const std::string& object_file);

}  // namespace kernel_report
