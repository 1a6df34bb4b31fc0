# Copies of the proof kernels with one fault planted in each, for test_faults.cpp. A copy is made from the kernel as
# it is now; the text to replace must occur in it exactly once, so that a kernel that changes cannot silently lose its
# fault. Every name in a copy lies in a namespace of its own.
set(fault_sources)
set(fault_names)

# plant(name file family arguments find replace [find replace ...]): replaces text in kernels/<file> and makes
# run_<name>(queue, arguments), which runs kernels/<family>.cu with the changed file on a struct <arguments>.
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
  file(GLOB stale ${folder}/kernels/*)  # of an earlier configuration, where the fault lay in another file
  list(REMOVE_ITEM stale ${folder}/kernels/${file})
  if(stale)
    file(REMOVE ${stale})
  endif()
  file(CONFIGURE OUTPUT ${folder}/kernels/${file} CONTENT "${text}" @ONLY)
  file(CONFIGURE OUTPUT ${folder}/${name}.cu @ONLY CONTENT "#define autodidact planted_${name}
#undef HAS_VENDOR  // kernels/vendor is not in that namespace
#include \"kernels/${family}.cu\"
void run_${name}(const void* queue, const void* p) {
  run(*static_cast<const autodidact::Cuda*>(queue), *static_cast<const autodidact::${arguments}*>(p));
}
")
  set(fault_sources ${fault_sources} ${folder}/${name}.cu PARENT_SCOPE)
  set(fault_names ${fault_names} ${name} PARENT_SCOPE)
endfunction()

# ---- barriers
plant(first_barrier_removed reduce.h layernorm LayerNormForward<float>
  [=[__syncthreads();  // the previous]=] [=[// the previous]=])
plant(second_barrier_removed reduce.h layernorm LayerNormForward<float>
  [=[memory.warp[first + warp] = v;
  __syncthreads();]=] [=[memory.warp[first + warp] = v;]=])
plant(columns_barrier_removed columns.h groupnorm GroupNormBackward<float>
  [=[* width + x] = v[k];
  __syncthreads();]=] [=[* width + x] = v[k];]=])
plant(barrier_for_half_of_the_rows columns.h groupnorm GroupNormBackward<float>
  [=[* width + x] = v[k];
  __syncthreads();]=] [=[* width + x] = v[k];
  if (threadIdx.y < blockDim.y / 2) __syncthreads();]=])
plant(threads_leave_before_the_barrier groupnorm.cu groupnorm GroupNormBackward<float>
  [=[  if (!p.dx && !(y && p.dresidual)) return;]=] [=[  if (int(threadIdx.x) * N >= k.channels) return;]=])
plant(one_warp_skips_the_sum layernorm.cu layernorm LayerNormForward<float>
  [=[float mean = row_sum(total, memory) / float(p.cols);
  for]=] [=[float mean = threadIdx.x < 64 ? row_sum(total, memory) / float(p.cols) : 0.0f;
  for]=])

# ---- warps
plant(mask_of_half_a_warp reduce.h layernorm LayerNormForward<float>
  [=[__shfl_xor_sync(~0u,]=] [=[__shfl_xor_sync(0xffffu,]=])
plant(mask_without_the_last_lane reduce.h layernorm LayerNormForward<float>
  [=[__shfl_xor_sync(~0u,]=] [=[__shfl_xor_sync(threadIdx.x % 32 == 31 ? ~0u : 0x7fffffffu,]=])
plant(shuffle_in_a_branch reduce.h layernorm LayerNormForward<float>
  [=[return warp_reduce<Op>(lane < warps ? memory.warp[first + lane] : Op::template nothing<T>());]=]
  [=[return lane < warps ? warp_reduce<Op>(memory.warp[first + lane]) : Op::template nothing<T>();]=])
plant(shuffle_starts_too_near reduce.h layernorm LayerNormForward<float>
  [=[distance = kWarpSize / 2;]=] [=[distance = kWarpSize / 4;]=])

# ---- shared memory
plant(shared_read_before_written reduce.h layernorm LayerNormForward<float>
  [=[lane < warps ? memory]=] [=[lane <= warps ? memory]=])
plant(shared_index_off_by_one reduce.h layernorm LayerNormForward<float>
  [=[memory.warp[first + warp] = v;]=] [=[memory.warp[first + warp + 1] = v;]=])
plant(shared_memory_too_small layernorm.cu layernorm LayerNormForward<float>
  [=[block, sizeof(RowMemory<float>),]=] [=[block, sizeof(RowMemory<float>) / 2,]=])
plant(shared_row_off_by_one columns.h reduction SumRows<float>
  [=[v[k] += memory[(s * K + k) * width + x];]=] [=[v[k] += memory[(s * K + k + 1) * width + x];]=])
plant(all_lanes_write_the_sum reduce.h layernorm LayerNormForward<float>
  [=[if (lane == 0) memory]=] [=[memory]=])

# ---- global memory
plant(loop_one_too_far columns.h reduction SumRows<float>
  [=[begin + k.grain : k.rows);]=] [=[begin + k.grain : k.rows + 1);]=])
plant(channels_unchecked columns.h reduction SumRows<float>
  [=[  if (threadIdx.y > 0 || c >= cols) return;]=] [=[  if (threadIdx.y > 0) return;]=])
plant(every_thread_writes_the_mean layernorm.cu layernorm LayerNormForward<float>
  [=[  if (threadIdx.x > 0 || cols == 0) return;]=] [=[  if (cols == 0) return;]=])
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
  [=[int64_t(output) * numbers]=] [=[int64_t(sample) * numbers]=])

# ---- values
plant(flip_off_by_one augment.cu augment Augment<float>
  [=[p.size - 1 - from.col]=] [=[p.size - from.col]=])
plant(mean_over_one_less layernorm.cu layernorm LayerNormForward<float>
  [=[float mean = row_sum(total, memory) / float(p.cols);]=] [=[float mean = row_sum(total, memory) / float(p.cols - 1);]=])
plant(term_of_dx_dropped groupnorm.cu groupnorm GroupNormBackward<float>
  [=[b[c] = float(-rstd * rstd * rstd * h_x / m);]=] [=[b[c] = 0;]=])

# ---- matrix products: copies that run beside the threads, and what lanes hold
plant(copy_wait_removed matrix_panel.h conv_pixels ConvForward<float>
  [=[    wait_copies<kStages - 2>();
]=] "")
plant(copy_wait_too_short matrix_panel.h conv_pixels ConvForward<float>
  [=[wait_copies<kStages - 2>]=] [=[wait_copies<kStages - 1>]=])
plant(copy_group_not_closed matrix_panel.h conv_pixels ConvForward<float>
  [=[    commit_copies();
    sums]=] [=[    sums]=])
plant(panel_barrier_removed matrix_panel.h conv_pixels ConvForward<float>
  [=[    __syncthreads();
]=] "")
plant(panel_replaced_too_early matrix_panel.h conv_pixels ConvForward<float>
  [=[panels.stage[next % kStages], next);]=] [=[panels.stage[step % kStages], next);]=])
plant(pixels_barrier_removed conv_pixels.cu conv_pixels ConvForward<float>
  [=[  __syncthreads();
]=] "")
plant(tap_below_the_image conv_pixels.cu conv_pixels ConvForward<float>
  [=[y < p.in_h &&]=] [=[y <= p.in_h &&]=])
plant(pack_longer_than_the_row matrix_sums.h conv_pixels ConvForward<autodidact::bf16>
  [=[if (count >= N &&]=] [=[if (]=])
plant(fragment_row_off_by_one matrix_sums.h conv_pixels ConvForward<autodidact::bf16>
  [=[const int row = int(threadIdx.x) % 8;]=] [=[const int row = (int(threadIdx.x) + 1) % 8;]=])
plant(fragment_halves_swapped matrix_sums.h conv_pixels ConvForward<autodidact::bf16>
  [=[first_column() + j * 16 + matrix / 2 * 8, k + matrix % 2 * 8]=]
  [=[first_column() + j * 16 + matrix % 2 * 8, k + matrix / 2 * 8]=])
plant(last_part_dropped gemm.cu gemm Gemm<float>
  [=[s < splits;]=] [=[s + 1 < splits;]=] [=[
template void run(Cuda, Gemm<float>);
template void run(Cuda, Gemm<bf16>);
template void run(Cuda, Gemm<bf16, float>);
]=] "")

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
