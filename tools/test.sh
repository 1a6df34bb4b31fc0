#!/usr/bin/env bash
# The second command of the README: builds every variant and runs every test. The last line is
# `N passed, N failed, N skipped`; a skipped test is named with its reason.
#   AUTODIDACT_DATA=DIR   real data sets (cifar-10-batches-bin, cifar10-jpeg, camvid, photos) for the tests that want them
#   tools/test.sh [release|sanitize|emulated|cuda|scripts|house]...   only these parts
set -uo pipefail
cd "$(dirname "$0")/.."
parts=("$@")
all=(house release scripts emulated sanitize cuda)
[[ ${#parts[@]} -gt 0 ]] || parts=("${all[@]}")
for part in "${parts[@]}"; do
  [[ " ${all[*]} " == *" $part "* ]] || { echo "tools/test.sh: the parts are ${all[*]}; got $part" >&2; exit 2; }
done
log=$(mktemp -d); trap 'rm -rf "$log"' EXIT
passed=0 failed=0 skipped=0
failures=()

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

# Test programs run beside each other, one a core; each is judged when it ends, its lines together.
running=()   # "KIND|NAME|LOG"; LOG.status appears when it ends
start() {    # start KIND NAME COMMAND...
  while [[ ${#running[@]} -ge $(nproc) ]]; do judge_ended; done
  local out; out=$(mktemp -p "$log")
  echo "== $2 ($(date +%H:%M:%S))"
  { "${@:3}" >"$out" 2>&1; echo $? >"$out.status"; } &
  running+=("$1|$2|$out")
}
judge_ended() {
  local i kind name out
  for i in "${!running[@]}"; do
    IFS='|' read -r kind name out <<<"${running[i]}"
    if [[ -s $out.status ]]; then unset "running[$i]"; "judge_$kind" "$name" "$(<"$out.status")" "$out"; return; fi
  done
  sleep 0.2
}
finish() { while [[ ${#running[@]} -gt 0 ]]; do judge_ended; done; }

judge_doctest() {
  [[ $2 -eq 0 ]] || { echo "== $1 failed"; tail -n 60 "$3"; }
  tally "$@"
}
judge_script() {   # exit 0: passed, 77: skipped; the parts it skipped are named and counted
  skipped=$((skipped + $(grep -ac '^SKIPPED: ' "$3")))
  grep -a '^SKIPPED: ' "$3"
  case $2 in
    0) passed=$((passed + 1)) ;;
    77) grep -aq '^SKIPPED: ' "$3" || { skipped=$((skipped + 1)); echo "SKIPPED: $1"; } ;;
    *) failed=$((failed + 1)); failures+=("$1"); echo "== $1 failed"; tail -n 40 "$3" ;;
  esac
}
doctests() { start doctest "$1" env "${@:3}" "$2"; }   # doctests NAME PROGRAM [VARIABLE=VALUE...]
one() { start script "$@"; }                           # one NAME COMMAND...

build() {   # build PRESET "TARGET..." [cmake arguments]
  local preset=$1 target=$2; shift 2
  finish   # no test waits for a core beside compilers
  echo "== build $preset ($(date +%H:%M:%S))"
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
    fi
  else
    echo "SKIPPED: nvcc compiles every .cu: no CUDA toolkit"; skipped=$((skipped + 1))
  fi
fi

finish
for name in "${failures[@]}"; do echo "FAILED: $name"; done
echo "$passed passed, $failed failed, $skipped skipped"
[[ $failed -eq 0 && $((passed + skipped)) -gt 0 ]]
