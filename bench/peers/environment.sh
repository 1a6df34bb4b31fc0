# Sourced: sets `python` to a Python that has PyTorch and torchvision, or leaves it empty.
#   AUTODIDACT_TORCH_PYTHON   such a Python; otherwise build/torch-env is used where it exists
#   torch_environment --install   makes build/torch-env from PyPI (5.5 GB: its build for Linux brings CUDA)
torch_environment() {
  local root; root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
  python=${AUTODIDACT_TORCH_PYTHON:-}
  if [[ -z $python && ${1:-} == --install && ! -x $root/build/torch-env/bin/python ]]; then
    python3 -m venv "$root/build/torch-env"
    "$root/build/torch-env/bin/pip" install --quiet --no-cache-dir torch torchvision timm numpy safetensors
  fi
  [[ -n $python || ! -x $root/build/torch-env/bin/python ]] || python=$root/build/torch-env/bin/python
  if [[ -n $python ]] && ! "$python" -c 'import torch, torchvision, numpy, safetensors' 2>/dev/null; then
    echo "$python lacks torch, torchvision, numpy or safetensors" >&2
    python=
  fi
}
