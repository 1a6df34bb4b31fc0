#!/usr/bin/env bash
# Parity with PyTorch at the papers' widths, and torchvision's weights exchanged both ways.
#   run.sh [--install] TRAIN_TESTS     --install makes a Python environment with PyTorch from PyPI
# Without PyTorch: exit 77, a skipped test. The suite itself checks the committed vectors.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../bench/peers/environment.sh"
install=
[[ ${1:-} != --install ]] || { install=--install; shift; }
torch_environment $install
if [[ -z $python ]]; then
  echo "SKIPPED: parity with PyTorch at full width: no PyTorch (tests/parity/run.sh --install, or AUTODIDACT_TORCH_PYTHON)"
  exit 77
fi
tests=$(realpath "$1")
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
export PYTHONDONTWRITEBYTECODE=1
"$python" "$here/vectors.py" full "$work/vectors"
"$python" "$here/transformers.py" full "$work/vectors/transformers"
"$python" "$here/adaptation.py" full "$work/vectors/ttt"
"$python" "$here/exchange.py" give "$work/exchange"
AUTODIDACT_PARITY_VECTORS=$work/vectors AUTODIDACT_PARITY_EXCHANGE=$work/exchange "$tests" -tc='parity*'
"$python" "$here/exchange.py" take "$work/exchange"
