// kernels.txt: what one launch of each kernel is at a reference shape.
#pragma once
#include <string>
#include <vector>

namespace kernel_report {

struct Row {
  std::string kernel;  // the template's name
  std::string part;    // of the whole name or the file, where one kernel name has several rows
  std::string shape;   // variables of the expressions, "rows=33280 cols=192"
  std::string threads, shared, bytes, flops;  // expressions
  bool packs = false;  // the first number in <> is N, and N = 1 is for odd sizes and addresses
  bool reads = false, writes = false;  // must be made of 16-byte accesses, where memory bounds it
  std::string reason;                  // why not more than that
  int line = 0;
};

// One kernel's figures at the shape.
struct Work {
  int threads;
  int shared;  // dynamic, bytes
  double bytes, flops;
};

std::vector<Row> read_table(const std::string& file);
// Whether the row is that of this instance.
bool is_of(const Row& row, const std::string& file, const std::string& name);
// The row's expressions for an instance. Throws std::runtime_error.
Work work_of(const Row& row, const std::string& name);
// Whether the instance is the one for sizes and addresses that packs do not divide.
bool is_fallback(const Row& row, const std::string& name);

}  // namespace kernel_report
