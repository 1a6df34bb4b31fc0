#!/usr/bin/env bash
# Fuzzes the decoders of files that come from outside, under the address and undefined-behaviour sanitizers.
#   tests/fuzz/run.sh [SECONDS a target] [image|npy|safetensors|tar]...
# New inputs are kept in build/fuzz/corpus; an input that fails is left as build/fuzz/<target>-crash-*.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-60}; shift || true
targets=("$@"); [[ ${#targets[@]} -gt 0 ]] || targets=(image npy safetensors tar)
clang=$(command -v clang++-14 || command -v clang++) || { echo "SKIPPED: fuzz: no clang" >&2; exit 77; }
out=build/fuzz; mkdir -p "$out/corpus"
flags=(-std=c++20 -O1 -g -I. $(pkg-config --cflags libpng) -DHWY_BASELINE_TARGETS=HWY_AVX2 -DHWY_DISABLED_TARGETS=HWY_AVX3_DL -fsanitize=address,undefined -fno-sanitize-recover=all)
echo 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }' >"$out/probe.cpp"
"$clang" -fsanitize=fuzzer "$out/probe.cpp" -o "$out/probe" 2>/dev/null || { echo "SKIPPED: fuzz: clang has no libFuzzer" >&2; exit 77; }

sources=()
for s in arena autograd durable_file memory module scratch_file safetensors safetensors_header tensor; do sources+=("engine/$s.cpp"); done
for s in cpu_class elementwise reduction parallel; do sources+=("kernels/$s.cpp"); done
for s in bytes names exif orientation resize jpeg png pnm stb image_file npy tar; do sources+=("train/data/$s.cpp"); done
objects=()
for s in "${sources[@]}"; do
  o=$out/$(basename "${s%.cpp}").o; objects+=("$o")
  [[ $o -nt $s ]] || "$clang" "${flags[@]}" -fsanitize=fuzzer-no-link -c "$s" -o "$o"
done
"$clang" "${flags[@]}" tests/fuzz/seeds.cpp tests/train/image_corpus.cpp "${objects[@]}" -o "$out/seeds" -lpng -ljpeg -lhwy
"$out/seeds" "$out/seeds-files"
status=0
for t in "${targets[@]}"; do
  "$clang" "${flags[@]}" -fsanitize=fuzzer "tests/fuzz/$t.cpp" "${objects[@]}" -o "$out/fuzz_$t" -lpng -ljpeg -lhwy
  mkdir -p "$out/corpus/$t"
  "$out/fuzz_$t" -max_total_time="$seconds" -max_len=8192 -timeout=5 -rss_limit_mb=1024 -malloc_limit_mb=1024 -print_final_stats=1 -verbosity=0 \
    -artifact_prefix="$out/$t-" "$out/corpus/$t" "$out/seeds-files/$t" >"$out/$t.log" 2>&1 && verdict="no failure" || { status=1; verdict="FAILED: see $out/$t.log"; }
  runs=$(sed -n 's/.*number_of_executed_units: *//p' "$out/$t.log")
  echo "fuzz $t: ${runs:-no} executions in at most $seconds s, $verdict"
done
exit $status
