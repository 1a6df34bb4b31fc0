#!/usr/bin/env bash
# The tables of docs/results/contrastive.md: trains npid, simclr or moco by a recipe with two seeds and once more with
# mismatched positives (the control), and judges each beside the same network untrained. What is there is kept: a second
# call goes on. Prints Markdown.
#   bench/results/contrastive.sh PROGRAM METHOD RECIPE DATA RUNS [--set key=value ...]
set -euo pipefail
program=$1 method=$2 recipe=$3 data=$4 runs=$5; shift 5
mkdir -p "$runs"
train() {   # NAME ARGUMENTS...: to its end, from where it stands
  local out=$runs/$method-$1; shift
  [ -e "$out/done" ] && return
  local resume=; [ -e "$out/.lock" ] && resume=--resume
  "$program" train "$method" --recipe "$recipe" --data "$data" "$@" $resume --out "$out" -q >&2
  touch "$out/done"
}
judge() {   # NAME WHAT ARGUMENTS...: once, keeps the object
  local out=$runs/$method-$1 what=$2; shift 2
  local file=$out/$what$(printf '%s' "$@").json
  [ -s "$file" ] && return
  "$program" evaluate "$what" --block features --checkpoint "$out" --data "$data" "$@" --json >"$file.part"
  mv "$file.part" "$file"
}
for seed in 1 2; do
  train $seed --seed $seed "$@"
  for what in linear knn; do judge $seed $what; judge $seed $what --untrained; done
done
train control --seed 1 --set positives=mismatched "$@"
for what in linear knn; do judge control $what; done
python3 - "$runs" "$method" <<'P'
import json, pathlib, statistics, sys
runs, method = pathlib.Path(sys.argv[1]), sys.argv[2]
def read(name, what, untrained=""):
    return json.loads((runs / f"{method}-{name}" / f"{what}{untrained}.json").read_text())
print(f"| {method} | learned, seeds 1 and 2 | untrained, the same seeds | gain of the means | mismatched positives |\n"
      "| --- | --- | --- | --- | --- |")
for what in ("linear", "knn"):
    learned = [100 * read(s, what)["accuracy"] for s in (1, 2)]
    untrained = [100 * read(s, what, "--untrained")["accuracy"] for s in (1, 2)]
    control = 100 * read("control", what)["accuracy"]
    show = lambda v: " ".join(f"{x:.1f}" for x in v)
    print(f"| {what} | {show(learned)} | {show(untrained)} | "
          f"{statistics.mean(learned) - statistics.mean(untrained):+.1f} | {control:.1f} |")
for what in ("linear", "knn"):
    print(f"\n{what}: {read(1, what)['protocol']}.")
P
