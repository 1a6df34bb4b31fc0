#!/usr/bin/env bash
# The second command of the README: builds every variant and runs every test. The last line is
# `N passed, N failed, N skipped`; a skipped test is named with its reason.
#   AUTODIDACT_DATA=DIR   real data sets (cifar-10-batches-bin, cifar10-jpeg, camvid, photos) for the tests that want them
#   tools/test.sh [release|sanitize|emulated|cuda|scripts|house]...   only these parts
set -uo pipefail
cd "$(dirname "$0")/.."
parts=("$@")
[[ ${#parts[@]} -gt 0 ]] || parts=(house release scripts emulated sanitize cuda)
log=$(mktemp -d); trap 'rm -rf "$log"' EXIT
passed=0 failed=0 skipped=0
failures=()
seconds_at() { echo "== $1 ($(date +%H:%M:%S))"; }

tally() {   # tally NAME STATUS LOG: adds a doctest program's counts; a program that died counts as one failure
  local counts
  counts=$(grep -aE '^\[doctest\] test cases:' "$3" | tail -1 | tr -dc '0-9|' )
  if [[ -n $counts ]]; then
    IFS='|' read -r _ p f _ <<<"$counts"
    passed=$((passed + p)) failed=$((failed + f))
    [[ $f -eq 0 ]] || failures+=("$1")
  fi
  if [[ $2 -ne 0 && ( -z $counts || $f -eq 0 ) ]]; then failed=$((failed + 1)); failures+=("$1 (exit $2)"); fi
  # A test that finds what it needs missing says SKIPPED: and its name; it counts as skipped, not as passed.
  local s; s=$(grep -ac '^SKIPPED: ' "$3")
  skipped=$((skipped + s)) passed=$((passed - s))
  grep -a '^SKIPPED: ' "$3"
}

doctests() {   # doctests NAME PROGRAM [VARIABLE=VALUE...]
  local name=$1 program=$2; shift 2
  seconds_at "$name"
  env "$@" "$program" >"$log/out" 2>&1; local status=$?
  [[ $status -eq 0 ]] || tail -n 60 "$log/out"
  tally "$name" $status "$log/out"
}

one() {   # one NAME COMMAND...: passes with exit 0, is skipped with 77; parts it skipped are named and counted
  local name=$1; shift
  seconds_at "$name"
  "$@" >"$log/out" 2>&1; local status=$?
  case $status in
    0) passed=$((passed + 1)) skipped=$((skipped + $(grep -ac '^SKIPPED: ' "$log/out"))); grep -a '^SKIPPED: ' "$log/out" ;;
    77) skipped=$((skipped + 1)); grep -a '^SKIPPED: ' "$log/out" || echo "SKIPPED: $name" ;;
    *) failed=$((failed + 1)); failures+=("$name"); tail -n 40 "$log/out" ;;
  esac
}

build() {   # build PRESET "TARGET..." [cmake arguments]
  local preset=$1 target=$2; shift 2
  seconds_at "build $preset"
  { cmake --preset "$preset" "$@" && cmake --build --preset "$preset" --target $target; } >"$log/build" 2>&1 && return 0
  tail -n 40 "$log/build"
  failed=$((failed + 1)); failures+=("build $preset")
  return 1
}

wants() { [[ " ${parts[*]} " == *" $1 "* ]]; }

tools/install-deps.sh test || { echo "0 passed, 1 failed, 0 skipped"; exit 1; }

if wants house; then
  one "layers" tools/check_layers.sh
  one "format" tools/check_format.sh
  one "mutants of device sources" tests/emulator/mutants/campaign.py --check
fi
onednn=OFF; [[ ! -e /usr/include/dnnl.hpp ]] || onednn=ON   # Debian's libdnnl-dev: a second implementation to compare with
if wants release || wants scripts; then
  if build release all -DTESTS=ON -DONEDNN=$onednn; then   # the demo leaves a build without them
    if wants release; then
      doctests "engine, best CPU class" build/release/tests/engine_tests
      doctests "train, best CPU class" build/release/tests/train_tests
      for example in build/release/examples/*; do
        [[ -f $example && -x $example ]] && one "$example" "$example"
      done
      [[ $onednn == OFF ]] || doctests "kernels against oneDNN" build/release/tests/onednn_tests
      # The other classes: the op table runs every SIMD class itself; this runs the rest under a lower cap.
      doctests "engine, plain class" build/release/tests/engine_tests AUTODIDACT_ISA=plain
      if grep -q avx512bw /proc/cpuinfo; then doctests "engine, AVX2 class" build/release/tests/engine_tests AUTODIDACT_ISA=avx2; fi
    fi
    if wants scripts; then
      for script in tests/program/*.sh; do
        [[ -e $script && $script != */emulated.sh ]] && one "$script" bash "$script" "$PWD/build/release/autodidact"
      done
    fi
  fi
fi
if wants emulated && build emulated "emulator_tests device_tests autodidact"; then
  doctests "emulator" build/emulated/tests/emulator_tests
  doctests "engine on the emulated GPU" build/emulated/tests/device_tests
  one "tests/program/emulated.sh" bash tests/program/emulated.sh "$PWD/build/emulated/autodidact"
  one "tests/program/device.sh, emulated" bash tests/program/device.sh "$PWD/build/emulated/autodidact"
fi
if wants sanitize; then
  compiler=$(command -v clang++-14 || command -v clang++ || command -v g++)   # the second compiler, where it is
  if build sanitize "engine_tests train_tests" -DCMAKE_CXX_COMPILER="$compiler"; then
    one "the program, read by $(basename "$compiler")" tools/check_syntax.sh build/sanitize tools/autodidact
    doctests "engine, address and undefined-behaviour sanitizers" build/sanitize/tests/engine_tests
    doctests "train, address and undefined-behaviour sanitizers" build/sanitize/tests/train_tests
  fi
fi
if wants cuda; then
  export PATH=$PATH:/usr/local/cuda/bin   # where the toolkit lies that no path names
  if command -v nvcc >/dev/null; then
    # One of the four architectures: `cmake --preset cuda` has them all, in four times the time.
    if build cuda kernel_report -DPROGRAM=OFF -DTESTS=ON -DCMAKE_CUDA_ARCHITECTURES=90-real; then
      one "tests/cuda/kernel_report.sh" bash tests/cuda/kernel_report.sh "$PWD/build/cuda/kernel_report"
      one "nvcc compiles every .cu; no spills, 16-byte accesses" tools/kernel-report
      tail -n 1 "$log/out"
    fi
  else
    echo "SKIPPED: nvcc compiles every .cu: no CUDA toolkit"; skipped=$((skipped + 1))
  fi
fi

for name in "${failures[@]}"; do echo "FAILED: $name"; done
echo "$passed passed, $failed failed, $skipped skipped"
[[ $failed -eq 0 ]]
