#!/usr/bin/env bash
# One job, ours against PyTorch in the same run: pairs A B A B .., medians, the machine's ceilings.
#   bench/compare.sh [--install] JOB [--pairs N] [--threads N] [--clock wall|cpu] [--compile]
#   JOB: resnet18-cifar-train[-bf16] resnet18-cifar-infer[-bf16] resnet26-cifar-train ttt-step resnet50-infer gemm
#        conv conv-narrow optimizer infonce infonce-bf16 augment-simclr32 augment-moco224 decode moco-step
#        mae-step mae-step-unmasked vit-infer memory-mae memory-resnet18
# gemm, conv and conv-narrow are compared with oneDNN too where it is installed (libdnnl-dev), the bf16 ones of
# ResNet-18 with our own f32.
# Needs a Python with PyTorch: $AUTODIDACT_TORCH_PYTHON, or build/torch-env, which --install makes
# from PyPI. The last line is `JOB: 1.23 times PyTorch (ours .., theirs ..; CLASS; N pairs)`.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
. "$root/bench/peers/environment.sh"
install=
[[ ${1:-} != --install ]] || { install=--install; shift; }
torch_environment $install
[[ -n $python ]] || { echo "compare: no PyTorch (bench/compare.sh --install JOB, or AUTODIDACT_TORCH_PYTHON)" >&2; exit 77; }
[[ $# -gt 0 ]] || { sed -n '2,10s/^# //p' "$0" >&2; exit 2; }
job=$1; shift
cd "$root"; mkdir -p build
onednn=OFF; [[ ! -e /usr/include/dnnl.hpp ]] || onednn=ON   # Debian's libdnnl-dev
{ cmake --preset bench -DTESTS=OFF -DONEDNN=$onednn && cmake --build --preset bench --target bench_jobs; } >build/compare.log 2>&1 ||
  { tail -n 20 build/compare.log >&2; exit 1; }
export PYTHONDONTWRITEBYTECODE=1
exec "$python" bench/peers/compare.py "$job" build/bench/bench/bench_jobs "$@"
