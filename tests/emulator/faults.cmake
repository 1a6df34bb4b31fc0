# Copies of the proof kernels with one fault planted in each, for test_faults.cpp. A copy is made from the kernel as
# it is now; the text to replace must occur in it exactly once, so that a kernel that changes cannot silently lose its
# fault. Every name in a copy lies in a namespace of its own.
set(fault_sources)
set(fault_names)

# plant(name file family arguments find replace [find replace ...]): replaces text in kernels/<file> and makes
# run_<name>(const void*), which runs kernels/<family>.cu with the changed file on a struct <arguments>.
function(plant name file family arguments)
  set(folder ${PROJECT_BINARY_DIR}/faults/${name})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/kernels/${file})
  file(READ ${PROJECT_SOURCE_DIR}/kernels/${file} text)
  math(EXPR last "${ARGC} - 1")
  foreach(i RANGE 4 ${last} 2)
    math(EXPR j "${i} + 1")
    set(find "${ARGV${i}}")
    set(replacement "${ARGV${j}}")
    string(REPLACE "${find}" "" without "${text}")
    string(LENGTH "${text}" before)
    string(LENGTH "${without}" after)
    string(LENGTH "${find}" length)
    math(EXPR times "(${before} - ${after}) / ${length}")
    if(NOT times EQUAL 1)
      message(FATAL_ERROR "fault ${name}: kernels/${file} must contain '${find}' once, it does ${times} times")
    endif()
    string(REPLACE "${find}" "${replacement}" text "${text}")
  endforeach()
  file(CONFIGURE OUTPUT ${folder}/kernels/${file} CONTENT "${text}" @ONLY)
  file(CONFIGURE OUTPUT ${folder}/${name}.cu @ONLY CONTENT "#define autodidact planted_${name}
#include \"kernels/${family}.cu\"
void run_${name}(const void* p) { run(autodidact::Cuda{}, *static_cast<const autodidact::${arguments}*>(p)); }
")
  set(fault_sources ${fault_sources} ${folder}/${name}.cu PARENT_SCOPE)
  set(fault_names ${fault_names} ${name} PARENT_SCOPE)
endfunction()

# ---- barriers
plant(first_barrier_removed reduce.h groupnorm GroupNormForward<float>
  [=[__syncthreads();  // the previous]=] [=[// the previous]=])
plant(second_barrier_removed reduce.h groupnorm GroupNormForward<float>
  [=[memory.warp[warp] = v;
  __syncthreads();]=] [=[memory.warp[warp] = v;]=])
plant(tree_barrier_removed groupnorm.cu groupnorm GroupNormBackward<float>
  [=[    __syncthreads();
    if (row < half) {]=] [=[    if (row < half) {]=])
plant(barrier_for_half_of_the_rows groupnorm.cu groupnorm GroupNormBackward<float>
  [=[    __syncthreads();
    if (row < half) {]=] [=[    if (row < 2 * half) __syncthreads();
    if (row < half) {]=])
plant(threads_leave_before_the_barrier groupnorm.cu groupnorm GroupNormBackward<float>
  [=[  sums.dgamma[row][lane] = dgamma;]=] [=[  if (c >= p.channels) return;
  sums.dgamma[row][lane] = dgamma;]=])
plant(one_warp_skips_the_sum groupnorm.cu groupnorm GroupNormForward<float>
  [=[A mean = block_sum(sum, memory) / A(g.size);
  for]=] [=[A mean = threadIdx.x < 224 ? block_sum(sum, memory) / A(g.size) : A(0);
  for]=])

# ---- warps
plant(mask_of_half_a_warp reduce.h groupnorm GroupNormForward<float>
  [=[__shfl_xor_sync(~0u,]=] [=[__shfl_xor_sync(0xffffu,]=])
plant(mask_without_the_last_lane reduce.h groupnorm GroupNormForward<float>
  [=[__shfl_xor_sync(~0u,]=] [=[__shfl_xor_sync(threadIdx.x % 32 == 31 ? ~0u : 0x7fffffffu,]=])
plant(shuffle_in_a_branch reduce.h groupnorm GroupNormForward<float>
  [=[return warp_sum(lane < warps ? memory.warp[lane] : T(0));]=]
  [=[return lane < warps ? warp_sum(memory.warp[lane]) : T(0);]=])
plant(shuffle_starts_too_near reduce.h groupnorm GroupNormForward<float>
  [=[distance = kWarpSize / 2;]=] [=[distance = kWarpSize / 4;]=])

# ---- shared memory
plant(shared_read_before_written reduce.h groupnorm GroupNormForward<float>
  [=[lane < warps ? memory]=] [=[lane <= warps ? memory]=])
plant(shared_index_off_by_one reduce.h groupnorm GroupNormForward<float>
  [=[memory.warp[warp] = v;]=] [=[memory.warp[warp + 1] = v;]=])
plant(shared_memory_too_small groupnorm.cu groupnorm GroupNormBackward<float>
  [=[sizeof(ParameterSums<Acc<T>>),]=] [=[sizeof(ParameterSums<Acc<T>>) / 2,]=])
plant(shared_row_off_by_one groupnorm.cu groupnorm GroupNormBackward<float>
  [=[sums.dbeta[row][lane] += sums.dbeta[row + half][lane];]=]
  [=[sums.dbeta[row][lane] += sums.dbeta[row + half + 1][lane];]=])
plant(all_lanes_write_the_sum reduce.h groupnorm GroupNormForward<float>
  [=[if (lane == 0) memory]=] [=[memory]=])

# ---- global memory
plant(loop_one_too_far groupnorm.cu groupnorm GroupNormBackward<float>
  [=[r < int64_t(p.samples) * p.pixels;]=] [=[r <= int64_t(p.samples) * p.pixels;]=])
plant(channels_unchecked groupnorm.cu groupnorm GroupNormBackward<float>
  [=[  if (row == 0 && c < p.channels) {]=] [=[  if (row == 0) {]=])
plant(every_thread_writes_the_mean groupnorm.cu groupnorm GroupNormForward<float>
  [=[  if (threadIdx.x == 0) {]=] [=[  {]=])
plant(pack_over_the_end elementwise.cu elementwise ScaleShift<float>
  [=[if (i + N <= n)]=] [=[if (i < n)]=] [=[
UNARY_OPS(UNARY)]=] "" [=[
BINARY_OPS(BINARY)]=] "")
plant(packs_overlap elementwise.cu elementwise ScaleShift<float>
  [=[blockDim.x + threadIdx.x) * N;]=] [=[blockDim.x + threadIdx.x / 2) * N;]=] [=[
UNARY_OPS(UNARY)]=] "" [=[
BINARY_OPS(BINARY)]=] "")
plant(row_below_the_image augment.cu augment Augment<float>
  [=[row < p.height]=] [=[row <= p.height]=])
plant(two_blocks_one_output augment.cu augment Augment<float>
  [=[int64_t(output) * p.size * p.size]=] [=[int64_t(sample) * p.size * p.size]=])

# ---- values
plant(flip_off_by_one augment.cu augment Augment<float>
  [=[p.size - 1 - from.col]=] [=[p.size - from.col]=])
plant(mean_over_one_less groupnorm.cu groupnorm GroupNormForward<float>
  [=[A mean = block_sum(sum, memory) / A(g.size);]=] [=[A mean = block_sum(sum, memory) / A(g.size - 1);]=])
plant(term_of_dx_dropped groupnorm.cu groupnorm GroupNormBackward<float>
  [=[ - xhat * mean_with_xhat]=] "")

foreach(name ${fault_names})
  string(APPEND fault_list "FAULT(${name})\n")
endforeach()
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/faults/list.inc CONTENT "${fault_list}" @ONLY)
emulate_device_code(${fault_sources})
foreach(source ${fault_sources})
  get_filename_component(folder ${source} DIRECTORY)
  set_property(SOURCE ${source} APPEND PROPERTY INCLUDE_DIRECTORIES ${folder})
  set_property(SOURCE ${source} APPEND PROPERTY COMPILE_OPTIONS -w)  # a fault may leave a variable unused
endforeach()
