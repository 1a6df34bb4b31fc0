#!/usr/bin/env bash
# Learning parity: a rotation recipe trained by this program and by PyTorch on the same pictures,
# each seed by both in turn, then the same linear probe of every block. Prints a Markdown table.
#   bench/peers/rotation_world.sh [--install] PROGRAM [OUT] [--seeds "1 2 3"] [--threads N]
#                                 [--recipe NAME] [--size PICTURES] [--epochs N]
# OUT (default build/rotation-world) keeps what is finished: the same command goes on from there.
# --size and --epochs make a trial of it, kept apart. PyTorch: see environment.sh; exit 77 without it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/comparison.sh"
out=build/rotation-world recipe=rotation-world-quick seeds="1 2 3" threads=2 size= epochs=
take_arguments rotation_world "recipe|seeds|threads|size|epochs" "$@"
keep_in "$recipe"
export PYTHONDONTWRITEBYTECODE=1
export_world 50000 10000

for seed in $seeds; do
  ours=$kept/ours-$seed theirs=$kept/pytorch-$seed
  if [[ ! -s $ours.json ]]; then
    resume=; [[ ! -d $ours ]] || resume=--resume
    "$program" train rotation --recipe "$recipe" --set "seed=$seed" "${settings[@]}" --threads "$threads" \
      --out "$ours" $resume >&2
    "$program" evaluate linear --checkpoint "$ours" --threads "$threads" --json >"$ours.part"
    mv "$ours.part" "$ours.json"
  fi
  [[ -s $theirs.json ]] || "$python" "$here/rotation_world.py" --recipe "$recipe" --seed "$seed" \
    --train "$out/train-x.npy,$out/train-y.npy" --test "$out/test-x.npy,$out/test-y.npy" \
    --threads "$threads" ${size:+--size "$size"} ${epochs:+--epochs "$epochs"} --out "$theirs.json" >&2
done

python3 - "$kept" $seeds <<'P'
import json, pathlib, statistics, sys
out, seeds = pathlib.Path(sys.argv[1]), sys.argv[2:]

def ours(seed):
    result = json.loads((out / f"ours-{seed}.json").read_text())
    for line in (out / f"ours-{seed}" / "metrics.jsonl").read_text().splitlines():
        result["rotation"] = json.loads(line).get("test_accuracy", result.get("rotation"))
    return result

rows = [(seed, ours(seed), json.loads((out / f"pytorch-{seed}.json").read_text())) for seed in seeds]
print("| seed | rotation: ours | PyTorch | probe: ours | PyTorch |\n| --- | --- | --- | --- | --- |")
for seed, a, b in rows:
    print(f"| {seed} | {100 * a['rotation']:.1f} | {100 * b['rotation']:.1f} "
          f"| {100 * a['accuracy']:.1f} ({a['block']}) | {100 * b['accuracy']:.1f} ({b['block']}) |")
mean = lambda side, key: 100 * statistics.mean(row[side][key] for row in rows)
rotation, probe = ([mean(side, key) for side in (1, 2)] for key in ("rotation", "accuracy"))
print(f"| mean | {rotation[0]:.1f} | {rotation[1]:.1f} | {probe[0]:.1f} | {probe[1]:.1f} |")
print(f"| ours - PyTorch | {rotation[0] - rotation[1]:+.1f} | | {probe[0] - probe[1]:+.1f} | |")
print("\n| block | probe: ours, mean | PyTorch, mean |\n| --- | --- | --- |")
for i, block in enumerate(r["block"] for r in rows[0][1]["results"]):
    a, b = (100 * statistics.mean(row[side]["results"][i]["accuracy"] for row in rows) for side in (1, 2))
    assert all(row[2]["results"][i]["block"] == block for row in rows), block
    print(f"| {block} | {a:.1f} | {b:.1f} |")
P
