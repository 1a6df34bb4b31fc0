#!/usr/bin/env bash
# The tables of docs/results/rotation.md: trains a rotation network (or judges one that is there), probes its blocks beside
# the same network untrained (mean of three seeds), nearest neighbours, the few-label curve. Prints Markdown.
#   bench/results/rotation.sh PROGRAM RUN DATA [RECIPE]     RECIPE: train RUN by it first, unless RUN exists
set -euo pipefail
program=$1 run=$2 data=$3 recipe=${4:-}
if [ -n "$recipe" ] && [ ! -e "$run" ]; then
  "$program" train rotation --recipe "$recipe" --data "$data" --out "$run" >&2
fi
results=$run/results
mkdir -p "$results"
judge() {   # NAME ARGUMENTS...: evaluates once, keeps the object
  local name=$1; shift
  [ -s "$results/$name.json" ] || "$program" evaluate "$@" --checkpoint "$run" --data "$data" --json >"$results/$name.part"
  [ -s "$results/$name.json" ] || mv "$results/$name.part" "$results/$name.json"
}
judge linear linear
judge knn knn --block all
judge few-labels few-labels
for seed in 1 2 3; do
  judge "linear-untrained-$seed" linear --untrained --seed "$seed"
  judge "knn-untrained-$seed" knn --block all --untrained --seed "$seed"
done
python3 - "$run" <<'P'
import json, pathlib, statistics, sys
run = pathlib.Path(sys.argv[1]); read = lambda n: json.loads((run / "results" / f"{n}.json").read_text())
last = {}
for line in (run / "metrics.jsonl").read_text().splitlines():
    last.update(json.loads(line))
print(f"Rotation accuracy on the test split, all four turns: {100 * last['test_accuracy']:.1f} % after {last['step']} steps.\n")
for what in ("linear", "knn"):
    learned, untrained = read(what), [read(f"{what}-untrained-{s}") for s in (1, 2, 3)]
    print(f"| {what}: block | numbers | learned | untrained, mean of 3 seeds | gain |\n| --- | --- | --- | --- | --- |")
    for i, row in enumerate(learned["results"]):
        mean = statistics.mean(u["results"][i]["accuracy"] for u in untrained)
        chosen = " (chosen)" if what == "linear" and row["block"] == learned["block"] else ""
        print(f"| {row['block']}{chosen} | {row['dims']} | {100 * row['accuracy']:.1f} | {100 * mean:.1f} | {100 * (row['accuracy'] - mean):+.1f} |")
    best = statistics.mean(u["accuracy"] for u in untrained)
    print(f"\nThe figure: {100 * learned['accuracy']:.1f} % against {100 * best:.1f} %. {learned['protocol']}.\n")
few = read("few-labels")
print("| labels a class | linear probe |\n| --- | --- |")
for row in few["linear"]:
    print(f"| {row['per_class']} | {100 * row['accuracy']:.1f} +- {100 * row['spread']:.1f} |")
print(f"\n{few['protocol']}.")
P
