# Sourced by the learning comparisons of this folder: their command line, and the pictures that both sides train on.
. "$(dirname "${BASH_SOURCE[0]}")/environment.sh"

# take_arguments NAME OPTIONS ARGUMENTS...: of `NAME [--install] PROGRAM [OUT] [--OPTION VALUE]...`, OPTIONS as a|b|c.
# Sets python, program, out and a variable an option, whose defaults the caller has set; and settings, what --size and
# --epochs say to `train`. Without arguments: the caller's head comment, exit 2; without PyTorch: exit 77.
take_arguments() {
  local name=$1 known=$2 install=; shift 2
  [[ ${1:-} != --install ]] || { install=--install; shift; }
  [[ $# -gt 0 ]] || { sed -n '2,/^[^#]/{/^#/s/^# //p}' "$0" >&2; exit 2; }
  torch_environment $install
  [[ -n $python ]] || { echo "$name: no PyTorch (--install, or AUTODIDACT_TORCH_PYTHON)" >&2; exit 77; }
  program=$1; shift
  if [[ $# -gt 0 && $1 != --* ]]; then out=$1; shift; fi
  while [[ $# -gt 0 ]]; do
    [[ $# -gt 1 && $1 =~ ^--($known)$ ]] || { echo "$name: unknown or without a value: $1" >&2; exit 2; }
    declare -g "${1#--}=$2"; shift 2
  done
  settings=(${size:+--set train_size=$size --set test_size=$size} ${epochs:+--set epochs=$epochs})
}

# Makes the folder of these results. Another recipe, size or length is another result: it has a folder of its own.
keep_in() {   # RECIPE
  kept=$out/$1${size:+-size=$size}${epochs:+-epochs=$epochs}
  mkdir -p "$kept"
}

# The world's pictures as .npy. A recipe's own number lies within these; PyTorch takes the first of them.
export_world() {   # TRAIN TEST
  local split name count
  for split in "train:$1" "test:$2"; do
    name=${split%:*} count=${split#*:}
    [[ -s $out/$name-y.npy ]] || "$program" data export "world:$name" --count "$count" --overwrite \
      --out "$out/$name-x.npy,$out/$name-y.npy" >&2
  done
}
