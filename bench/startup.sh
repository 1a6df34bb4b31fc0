#!/usr/bin/env bash
# From exec to exit: `autodidact predict` of one picture by a ResNet-18 for 32 pixels, and PyTorch's time for the same, in
# pairs A B A B .., medians. Ours verifies a training checkpoint of 89 MB (weights and momentum), PyTorch reads 45 MB of weights.
#   bench/startup.sh [--install] PROGRAM [--pairs N] [--threads N]
# PyTorch: see peers/environment.sh; without it ours alone.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/peers/environment.sh"
install=; [[ ${1:-} != --install ]] || { install=--install; shift; }
[[ $# -gt 0 ]] || { sed -n '2,5s/^# //p' "$0" >&2; exit 2; }
torch_environment $install
program=$(realpath "$1"); shift
pairs=9 threads=2
while [[ $# -gt 1 ]]; do
  case $1 in --pairs) pairs=$2 ;; --threads) threads=$2 ;; *) echo "startup: unknown: $1" >&2; exit 2 ;; esac
  shift 2
done
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
"$program" train supervised --set train_size=64 --set test_size=64 --set epochs=1 --set batch_size=32 -q --out "$work/run" >/dev/null
"$program" data export world:test --count 1 --out "$work/one" >/dev/null
export PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=$threads
picture=$(find "$work/one" -name '*.png')
python3 - "$pairs" "$("$program" doctor | awk '/^class/ {print $2}')" \
  "$program predict --checkpoint $work/run $picture --threads $threads" \
  "${python:+$python $here/peers/predict.py $work/weights.pt $picture}" <<'P'
import shlex, statistics, subprocess, sys, time
pairs, machine, *commands = int(sys.argv[1]), *sys.argv[2:]
commands = [shlex.split(c) for c in commands if c]
def seconds(command):
    begin = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin
for command in commands:  # files into memory
    seconds(command)
sides = list(zip(*[[seconds(c) for c in commands] for _ in range(pairs)]))
ours, *theirs = map(statistics.median, sides)
beside = "".join(f"; PyTorch's {t:.2f} s, {t / ours:.0f} times ours" for t in theirs)
print(f"startup: {ours:.3f} s ({min(sides[0]):.3f} to {max(sides[0]):.3f}){beside} ({machine}, {pairs} pairs)")
P
