#!/usr/bin/env bash
# tools/kernel-report finds what it promises to find, in small kernels that have it. Needs nvcc, no GPU.
#   kernel_report.sh KERNEL_REPORT
set -uo pipefail
report=$1
chip=sm_90
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
bad=0
complain() { echo "kernel_report.sh: $1"; bad=1; }
says() { grep -qF -- "$1" "$work/out" || { complain "did not say '$1'"; cat "$work/out"; }; }
reports() {   # reports CODE ROWS KERNELS...: the exit code for kernels with these rows of the table
  local code=$1 kernel; printf '%s\n' "$2" >"$work/table"; shift 2
  printf '#define I (blockIdx.x * blockDim.x + threadIdx.x)\n' >"$work/few.cu"
  for kernel in "$@"; do printf '%s\n' "$kernel" >>"$work/few.cu"; done
  nvcc -arch="$chip" -c -o "$work/few.cu.o" "$work/few.cu" || exit 1
  "$report" "$work/table" "$work/few.cu.o" >"$work/out" 2>&1; local status=$?
  [[ $status -eq $code ]] || { complain "exit code $status, expected $code"; cat "$work/out"; }
}
wide='__global__ void wide_kernel(float4* y, const float4* x) { y[I] = x[I]; }'
narrow='__global__ void narrow_kernel(float* y, const float* x) { y[I] = x[I]; }'
indexed='__global__ void indexed_kernel(float* y, const int* k) {
  float v[32];
  for (int i = 0; i < 32; ++i) v[k[i]] = y[i];
  for (int i = 0; i < 32; ++i) y[I + i] = v[k[i + 32]];
}'
copy='__global__ void copy_kernel(float* y, const float* x) {
  __shared__ float4 kept[256];
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;\ncp.async.wait_all;"
               ::"r"(unsigned(__cvta_generic_to_shared(kept + threadIdx.x))), "l"(x + 4 * I) : "memory");
  __syncthreads();
  y[I] = kept[255 - threadIdx.x].x;
}'
pack='template <int N> __global__ void pack_kernel(float* y) { y[I] = N; }
template __global__ void pack_kernel<1>(float*);
template __global__ void pack_kernel<4>(float*);'

reports 0 'wide_kernel | n=1000 | 256 | 0 | 8*n | n | r w' "$wide"
says "1 instances on 1 chips: 0 with local memory, 0 bound by memory without 16-byte accesses, 0 with a fault"
reports 1 'narrow_kernel | n=1000 | 256 | 0 | 8*n | n | r w' "$narrow"
says "reads no 16 bytes at a time"; says "writes no 16 bytes at a time"
reports 0 'narrow_kernel | n=1000 | 256 | 0 | 8*n | 1000*n | r w' "$narrow"   # arithmetic bounds it
reports 0 'narrow_kernel | n=1000 | 256 | 0 | 8*n | n | -: a reason' "$narrow"
reports 1 'indexed_kernel | n=1000 | 256 | 0 | 8*n | n | -: a reason' "$indexed"
says "uses local memory: "
reports 1 'wide_kernel | n=1000 | 256 | 0 | 8*n | n | r w' "$wide" "$narrow"
says "narrow_kernel has no row in the table"
reports 1 'pack_kernel | n=1000 | 256 | 0 | 4*n | n | N w: reads nothing' "$pack"   # N = 1 is for odd sizes
says "1 bound by memory without 16-byte accesses, 1 with a fault"
reports 1 'wide_kernel | n=1000 | 256 | 300*1000 | 8*n | n | r w' "$wide"
says "does not fit a multiprocessor"
reports 1 $'wide_kernel | n=1 | 256 | 0 | n | n | r w\nwide_kernel | n=1 | 256 | 0 | n | n | r w' "$wide"
says "has two rows in the table"
reports 2 'wide_kernel | n=1000 | 256 | 0 | 8*m | n | r w' "$wide"
says "unknown variable 'm'"
reports 2 'wide_kernel | n=1000 | 256 | 0 | 8*n | n | -' "$wide"
says "needs a reason"
for chip in sm_80 sm_100; do   # where copies to shared memory are written in two ways
  reports 0 'copy_kernel | n=1000 | 256 | 0 | 8*n | n | r: writes sums alone' "$copy"
done
chip=sm_90
# Occupancy, by hand: 1024 threads of 32 registers at most are two blocks; 100 KiB of shared memory leave room for two.
reports 0 'wide_kernel | n=1000 | 1024 | 0 | 8*n | n | r w' "$wide"
says "      2 100%"
reports 0 'wide_kernel | n=1000 | 256 | 102400 | 8*n | n | r w' "$wide"
says "      2  25%"
exit $bad
