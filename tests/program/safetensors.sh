#!/usr/bin/env bash
# The Python package safetensors reads our files and we read its, where there is a PyTorch.   safetensors.sh PROGRAM
set -euo pipefail
program=$(realpath "$1")
cd "$(dirname "$0")/../.."
. bench/peers/environment.sh
torch_environment
if [[ -z $python ]]; then
  echo "SKIPPED: safetensors files exchanged with Python: no PyTorch (tests/parity/run.sh --install, or AUTODIDACT_TORCH_PYTHON)"
  exit 77
fi
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
export PYTHONDONTWRITEBYTECODE=1
"$python" tests/parity/files.py give "$work/theirs"
"$program" inspect "$work/theirs" --json >"$work/listing"
"$python" tests/parity/files.py check "$work/theirs" "$work/listing"
"$program" data export world:train --count 64 --out "$work/x.npy,$work/y.npy" >/dev/null
"$program" train rotation -q --data "$work/x.npy,$work/y.npy" --set model=resnet26 --set width=8 --set groups=4 --set epochs=1 \
  --set batch_size=32 --out "$work/run" >/dev/null
"$python" tests/parity/files.py take "$work/run/checkpoints/$(cat "$work/run/checkpoints/last")"

# torchvision's ResNet-18: its weights become a checkpoint, and what is exported loads strictly; so does a run's own.
"$python" tests/parity/files.py network "$work/theirs18"
"$program" import "$work/theirs18" --model resnet18 --image-size 32 --set imagenet_stem=true --out "$work/ours18" >/dev/null
"$program" export --checkpoint "$work/ours18" --out "$work/back18.safetensors" >/dev/null
"$python" tests/parity/files.py strict "$work/back18.safetensors"
"$program" train supervised -q --data "$work/x.npy,$work/y.npy" --init "$work/theirs18" --set model=resnet18 --set imagenet_stem=true \
  --set epochs=1 --set batch_size=32 --out "$work/run18" >/dev/null
"$program" export --checkpoint "$work/run18" --out "$work/run18.safetensors" >/dev/null
"$python" tests/parity/files.py strict "$work/run18.safetensors"
