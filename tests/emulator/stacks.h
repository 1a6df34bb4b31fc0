// Stacks of the fibers, one place for each thread number of a block.
#pragma once
#include <cstddef>
#include <boost/context/stack_context.hpp>

namespace emulator {

struct StackOfThread {  // a stack allocator in the sense of Boost.Context
  unsigned thread;
  boost::context::stack_context allocate() const;
  void deallocate(boost::context::stack_context&) const {}  // the place is kept for the next fiber
};
struct StackRange {
  void* bottom;
  size_t bytes;
};
StackRange stack_range(unsigned thread);

}  // namespace emulator
