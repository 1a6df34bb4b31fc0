#!/usr/bin/env bash
# Learning parity: the contrastive recipes of the world trained by this program and by PyTorch with
# lightly on the same pictures, each seed by both in turn, then the same linear probe of the
# features. Prints a Markdown table of every method's seeds, means and the untrained network.
#   bench/peers/contrastive_world.sh PROGRAM [OUT] [--methods "simclr moco npid"] [--seeds "1 2 3"]
#                                    [--threads N] [--workers N] [--size PICTURES] [--epochs N]
# OUT (default build/contrastive-world) keeps what is finished: the same command goes on from there.
# --workers: processes that make PyTorch's views. --size and --epochs make a trial of it, kept
# apart. PyTorch: see environment.sh; lightly is installed into that Python by `pip install
# lightly`. Exit 77 without either.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/comparison.sh"
out=build/contrastive-world methods="simclr moco npid" seeds="1 2 3" threads=1 workers=0 size= epochs=
take_arguments contrastive_world "methods|seeds|threads|workers|size|epochs" "$@"
"$python" -c 'import lightly' 2>/dev/null || { echo "contrastive_world: $python lacks lightly" >&2; exit 77; }
keep_in recipe
export PYTHONDONTWRITEBYTECODE=1
export_world 5000 2000

judge() {   # FILE ARGUMENTS...
  local file=$1; shift
  [[ ! -s $file ]] || return 0
  "$program" evaluate linear --block features --threads "$threads" --json "$@" >"$file.part"
  mv "$file.part" "$file"
}
for seed in $seeds; do
  for method in $methods; do
    ours=$kept/$method-ours-$seed theirs=$kept/$method-lightly-$seed
    if [[ ! -s $ours.json ]]; then
      resume=; [[ ! -d $ours ]] || resume=--resume
      "$program" train "$method" --recipe "$method-world-quick" --set "seed=$seed" "${settings[@]}" \
        --threads "$threads" --out "$ours" $resume >&2
      judge "$ours.json" --checkpoint "$ours"
    fi
    judge "$ours-untrained.json" --checkpoint "$ours" --untrained
    [[ -s $theirs.json ]] || "$python" "$here/contrastive_world.py" "$method" --seed "$seed" \
      --train "$out/train-x.npy,$out/train-y.npy" --test "$out/test-x.npy,$out/test-y.npy" \
      --threads "$threads" --workers "$workers" ${size:+--size "$size"} ${epochs:+--epochs "$epochs"} \
      --out "$theirs.json" >&2
  done
done

python3 - "$kept" "$methods" "$seeds" <<'P'
import json, pathlib, statistics, sys
out, methods, seeds = pathlib.Path(sys.argv[1]), sys.argv[2].split(), sys.argv[3].split()
read = lambda name: 100 * json.loads((out / f"{name}.json").read_text())["accuracy"]
print("| linear probe | ours, by seed | mean | PyTorch, by seed | mean | ours - PyTorch | untrained | gain |\n"
      "| --- | --- | --- | --- | --- | --- | --- | --- |")
for method in methods:
    ours, theirs, untrained = ([read(name.format(method, seed)) for seed in seeds]
                               for name in ("{}-ours-{}", "{}-lightly-{}", "{}-ours-{}-untrained"))
    show = lambda values: " ".join(f"{v:.1f}" for v in values)
    a, b, c = map(statistics.mean, (ours, theirs, untrained))
    print(f"| {method} | {show(ours)} | {a:.1f} | {show(theirs)} | {b:.1f} | {a - b:+.1f} | {c:.1f} | {a - c:+.1f} |")
P
