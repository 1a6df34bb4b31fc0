#!/usr/bin/env bash
# tools/gpu-check.sh on a machine without a GPU: exit code 5, in words, nothing written. Then what it does with its tests'
# exit codes, with stubs for the GPU and for the tests.   gpu_check.sh PROGRAM
. "$(dirname "$0")/checks.bash"
if [[ -e /dev/nvidiactl || -e /dev/dxg ]] || nvidia-smi -L >/dev/null 2>&1; then
  echo "SKIPPED: tests/program/gpu_check.sh: this machine has a GPU, where tools/gpu-check.sh is run itself"; exit 77
fi
check=$(dirname "$0")/../../tools/gpu-check.sh
checks() {   # checks CODE TEXT: its exit code, and TEXT in what it prints
  PATH=$work/bin:$PATH bash "$check" --build "$work/build" --out "$work/gpu.json" >"$work/out" 2>&1; local status=$?
  [[ $status -eq $1 ]] || { complain "exit code $status, expected $1"; cat "$work/out"; }
  grep -qF -- "$2" "$work/out" || { complain "printed no '$2'"; cat "$work/out"; }
}
mkdir -p "$work/bin" "$work/build/tests"
checks 5 "no NVIDIA GPU"
[[ ! -e $work/gpu.json ]] || complain "a result was written without a GPU"

stub() { printf '#!/bin/sh\n%s\n' "$2" >"$1"; chmod +x "$1"; }
stub "$work/bin/nvidia-smi" 'echo "NVIDIA H\"00, 1.0, 9.0"'
stub "$work/bin/compute-sanitizer" 'while [ "$1" != 1 ]; do shift; done; shift; exec "$@"'
stub "$work/build/tests/device_tests" 'echo "[doctest] test cases: 3 | 3 passed | 0 failed | 0 skipped |"'
checks 0 "8 passed, 0 failed, 2 skipped"
if command -v jq >/dev/null; then
  [[ $(jq -r '"\(.passed) \(.checks | length) \(.device)"' "$work/gpu.json") == '8 10 NVIDIA H"00, 1.0, 9.0' ]] ||
    { complain "not the JSON that was meant"; cat "$work/gpu.json"; }
fi
stub "$work/build/tests/device_tests" 'case "$1" in *graph*) echo "a \"quoted\" line"; exit 1;; esac'
checks 1 "failed: captured steps: bitwise equal with capture and without"
if command -v jq >/dev/null; then
  [[ $(jq '.failed' "$work/gpu.json") -gt 1 ]] || { complain "failures are not counted"; cat "$work/gpu.json"; }
fi
# What a bench says when it fails is no part of the JSON, and it counts.
stub "$work/build/tests/device_tests" 'echo "[doctest] test cases: 3 | 3 passed | 0 failed | 0 skipped |"'
for code in 1 0; do
  stub "$work/build/autodidact" 'case "$1" in doctor) echo "{\"usable\":true}";; bench) echo "autodidact: bench: no"; exit '$code';; *) exit 1;; esac'
  checks 1 "failed: the table of these kernels, bf16"
  if command -v jq >/dev/null; then
    [[ $(jq '.kernels | length' "$work/gpu.json") == 0 ]] || { complain "an error's text in the JSON"; cat "$work/gpu.json"; }
  fi
done
stub "$work/build/autodidact" 'case "$1" in doctor) echo "{\"usable\":true}";; bench) echo "a warning"; echo "{\"kernels\":[]}";; *) exit 1;; esac'
checks 1 "passed: kernels beside measured ceilings, bf16"
if command -v jq >/dev/null; then
  [[ $(jq '.kernels | length' "$work/gpu.json") == 2 ]] || { complain "the tables are not in the JSON"; cat "$work/gpu.json"; }
fi
# A program that finds the GPU of no use ends it: exit code 5.
stub "$work/build/autodidact" 'case "$2" in --json) echo "{\"usable\":false}";; *) echo "GPU        not used: too old";; esac'
checks 5 "too old"
exit $bad
