#!/usr/bin/env bash
# What only a GPU can prove, in minutes and without a network: all device tests, the CPU against CUDA, determinism, captured
# steps, NVIDIA's compute-sanitizer, then speeds beside ceilings of the same run. Builds for this GPU alone, with or without
# the program, as its libraries are there; a built folder is used as it is.
#   tools/gpu-check.sh [--build DIR] [--out FILE]     DIR: build/gpu; FILE: bench/results/gpu-<the GPU's name>.json
# Exit code 0: all that ran passed; 1: something failed; 5: no GPU that can be used. The last line counts.
set -uo pipefail
cd "$(dirname "$0")/.."
build=build/gpu result=
while [[ $# -gt 0 ]]; do
  case $1 in
    --build) build=${2:?--build DIR}; shift 2 ;;
    --out) result=${2:?--out FILE}; shift 2 ;;
    *) sed -n '2,6s/^# //p' "$0" >&2; exit 2 ;;
  esac
done
no_gpu() { echo "gpu-check: $1; nothing was checked, nothing is claimed" >&2; exit 5; }

device=$(nvidia-smi --query-gpu=name,driver_version,compute_cap --format=csv,noheader 2>/dev/null | head -1)
[[ -n $device || -e /dev/nvidiactl || -e /dev/dxg ]] || no_gpu "this machine has no NVIDIA GPU, or no driver for it"
device=${device:-an NVIDIA GPU}
[[ -n $result ]] || result=bench/results/gpu-$(sed -E 's/,.*//; s/NVIDIA //' <<<"$device" | tr 'A-Z ' 'a-z-').json
export PATH=$PATH:/usr/local/cuda/bin   # where the toolkit lies that no path names
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
passed=0 failed=0 skipped=0
lines=()   # of the JSON's "checks"
quoted() { local s; s=$(tr '[:cntrl:]' ' '); s=${s//\\/\\\\}; s=${s//\"/\\\"}; printf '"%s"' "${s% }"; }
note() {   # note NAME STATUS SECONDS TEXT
  case $2 in passed) passed=$((passed + 1)) ;; failed) failed=$((failed + 1)) ;; *) skipped=$((skipped + 1)) ;; esac
  echo "$2: $1 ($3 s) $4"
  lines+=("{\"name\":$(quoted <<<"$1"),\"status\":\"$2\",\"seconds\":$3,\"text\":$(quoted <<<"$4")}")
}
check() {   # check NAME SECONDS COMMAND...: passes with exit 0 within the time; 77 skips
  local what=$1 limit=$2 begin=$SECONDS; shift 2
  timeout "$limit" "$@" >"$work/out" 2>&1; local status=$?
  case $status in
    0) note "$what" passed $((SECONDS - begin)) "$(grep -aE '^\[doctest\] test cases:|^=+ ERROR SUMMARY' "$work/out" | tail -2)" ;;
    77) note "$what" skipped $((SECONDS - begin)) "$(tail -1 "$work/out")" ;;
    *) tail -n 30 "$work/out"; note "$what" failed $((SECONDS - begin)) "exit code $status: $(tail -n 3 "$work/out")" ;;
  esac
}

# ---- build
if [[ ! -x $build/tests/device_tests ]]; then
  make_build() {
    cmake --preset cuda -B "$build" -DCMAKE_CUDA_ARCHITECTURES=native -DTESTS=ON "$@" &&
      cmake --build "$build" -j "$(nproc)" --target device_tests kernel_report
  }
  begin=$SECONDS
  if make_build -DPROGRAM=ON >"$work/build" 2>&1 && cmake --build "$build" -j "$(nproc)" --target autodidact >>"$work/build" 2>&1; then
    note "build with the program" passed $((SECONDS - begin)) ""
  elif make_build -DPROGRAM=OFF >>"$work/build" 2>&1; then
    note "build without the program" passed $((SECONDS - begin)) "$(grep -m1 'CMake Error' -A2 "$work/build")"
  else
    tail -n 30 "$work/build"
    echo "gpu-check: no build (tools/install-deps.sh test names what it needs)" >&2; exit 1
  fi
fi
program=$build/autodidact tests=$build/tests/device_tests
if [[ -x $program ]]; then
  doctor=$("$program" doctor --json)
  grep -q '"usable":true' <<<"$doctor" || no_gpu "$("$program" doctor | sed -n 's/^GPU  *not used: //p')"
fi

# ---- tests: every op against the CPU and three times the same bytes, memory, errors, capture
check "the op table: CUDA against the CPU, f32 and bf16, the same bytes three times" 1800 "$tests" --test-case='device ops*'
check "memory and errors of the device" 600 "$tests" --test-case='device memory*,device errors*'
check "captured steps: bitwise equal with capture and without" 600 "$tests" --test-case='graph*'
check "every other device test" 600 "$tests" --test-case-exclude='device ops*,device memory*,device errors*,graph*'

train=("$program" train rotation --set model=resnet26 --set groups=0 --set epochs=1 --set batch_size=32 --set log_every=1
       --set learning_rate=0.01 --json -q)
losses() { sed -E 's/.*"loss": ([^,]*),.*/\1/' "$1/metrics.jsonl"; }
same_training() {   # 20 steps on the CPU, on CUDA twice, and without capture
  "$program" data export world:train --count 640 --out "$work/x.npy,$work/y.npy" >/dev/null || return 1
  local data=(--data "$work/x.npy,$work/y.npy")
  "${train[@]}" "${data[@]}" --device cpu --out "$work/cpu" && "${train[@]}" "${data[@]}" --device cuda --out "$work/first" &&
    "${train[@]}" "${data[@]}" --device cuda --out "$work/second" &&
    "${train[@]}" "${data[@]}" --device cuda --no-capture --out "$work/launched" || return 1
  cmp <(losses "$work/first") <(losses "$work/second") || return 1
  cmp <(losses "$work/first") <(losses "$work/launched") || return 1
  paste <(losses "$work/cpu") <(losses "$work/first") |
    awk '{d = $1 - $2; if (d < 0) d = -d; if (d > most * $1) most = d / $1}
         END {print "largest relative difference from the CPU: " most; exit !(NR == 20 && most <= 1e-3)}'
}
if [[ -x $program ]]; then
  begin=$SECONDS
  if same_training >"$work/out" 2>&1; then
    note "20 steps of training: CPU, CUDA, again, without capture" passed $((SECONDS - begin)) "$(tail -1 "$work/out")"
  else
    tail -n 20 "$work/out"
    note "20 steps of training: CPU, CUDA, again, without capture" failed $((SECONDS - begin)) "$(tail -n 2 "$work/out")"
  fi
else
  note "20 steps of training" skipped 0 "no program in $build"
fi

# ---- compute-sanitizer, on a short selection
if command -v compute-sanitizer >/dev/null; then
  for tool in memcheck racecheck initcheck synccheck; do
    check "compute-sanitizer $tool" 900 compute-sanitizer --tool "$tool" --error-exitcode 1 "$tests" \
      --test-case='graph: 20 steps*,device memory: fill*,device memory: a model moves*'
  done
else
  note "compute-sanitizer" skipped 0 "is not installed"
fi

# ---- speeds: kernels beside ceilings of the same run, then whole training
tables=()
if [[ -x $program ]]; then
  for dtype in f32 bf16; do
    check "kernels beside measured ceilings, $dtype" 1200 "$program" bench --device cuda --dtype $dtype --json
    table=$(grep -a '^{' "$work/out" | tail -1)
    if [[ -n $table ]]; then tables+=("$table"); else note "the table of these kernels, $dtype" failed 0 "none was printed"; fi
  done
else
  note "kernels beside measured ceilings" skipped 0 "no program in $build"
fi
speeds=()
if [[ -x $program ]]; then
  for capture in "" --no-capture; do
    begin=$SECONDS
    if "$program" train rotation --data world --set model=resnet18 --set epochs=3 --set batch_size=512 --set train_size=50000 \
        --set test_size=512 --device cuda $capture --json -q --out "$work/speed$capture" >"$work/out" 2>"$work/err"; then
      speed=$(sed -nE 's/.*"images_per_second":([0-9.e+]+).*/\1/p' "$work/out")
      speeds+=("{\"job\":\"train rotation, ResNet-18, 32 x 32, B512, f32${capture:+, no capture}\",\"images_per_second\":${speed:-null}}")
      note "train rotation, ResNet-18 ${capture:-captured}" passed $((SECONDS - begin)) "$speed pictures a second"
    else
      tail -n 20 "$work/err"
      note "train rotation, ResNet-18 ${capture:-captured}" failed $((SECONDS - begin)) "$(tail -n 2 "$work/err")"
    fi
  done
fi

joined() { local IFS=,; echo "$*"; }
mkdir -p "$(dirname "$result")"
cat >"$result" <<END
{"device":$(quoted <<<"$device"),"commit":$(git rev-parse HEAD 2>/dev/null | quoted),
"toolkit":$(nvcc --version 2>/dev/null | sed -n 's/.*, V//p' | quoted),
"passed":$passed,"failed":$failed,"skipped":$skipped,
"checks":[$(joined ${lines[@]+"${lines[@]}"})],
"training":[$(joined ${speeds[@]+"${speeds[@]}"})],
"kernels":[$(joined ${tables[@]+"${tables[@]}"})]}
END
echo "written: $result"
echo "$passed passed, $failed failed, $skipped skipped"
[[ $failed -eq 0 ]]
