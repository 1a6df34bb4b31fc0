#!/usr/bin/env bash
# Learning parity of test-time training: joint training on the built-in world, then online adaptation to Gaussian noise of
# severity 5, by this program and by PyTorch on the same pictures, each seed by both in turn. Prints a Markdown table.
#   bench/peers/ttt_world.sh [--install] PROGRAM [OUT] [--seeds "1 2"] [--threads N]
#                            [--recipe NAME] [--size PICTURES] [--epochs N]
# OUT (default build/ttt-world) keeps what is finished: the same command goes on from there.
# --size and --epochs make a trial of it, kept apart. PyTorch: see environment.sh; exit 77 without it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/comparison.sh"
out=build/ttt-world recipe=ttt-world-quick seeds="1 2" threads=2 size= epochs=
take_arguments ttt_world "recipe|seeds|threads|size|epochs" "$@"
rate=0.002 copies=32   # of adaptation, as in the demo: one step a picture, eight crops in all four turns
keep_in "$recipe"
export PYTHONDONTWRITEBYTECODE=1
export_world 50000 10000
# The test split of the recipe, broken as `adapt` breaks it: both sides adapt to these pictures, in their order.
broken=$out/broken-${size:-2000}
if [[ ! -s $broken/labels.npy ]]; then
  "$program" data export world:test --count "${size:-2000}" --overwrite --out "$out/some-x.npy,$out/some-y.npy" >&2
  rm -rf "$broken"
  "$program" corrupt --data "$out/some-x.npy,$out/some-y.npy" --corruption gaussian_noise:5 --format npy --out "$broken" >&2
fi

for seed in $seeds; do
  ours=$kept/ours-$seed theirs=$kept/pytorch-$seed
  if [[ ! -s $ours.json ]]; then
    resume=; [[ ! -d $ours ]] || resume=--resume
    "$program" train ttt --recipe "$recipe" --set "seed=$seed" "${settings[@]}" --threads "$threads" --out "$ours" $resume >&2
    "$program" adapt --checkpoint "$ours" --corruption gaussian_noise:5 --order in_order --mode online --rotations all \
      --copies "$copies" --learning-rate "$rate" --threads "$threads" --overwrite --out "$ours-online" --json >"$ours.part"
    mv "$ours.part" "$ours.json"
  fi
  [[ -s $theirs.json ]] || "$python" "$here/ttt_world.py" --recipe "$recipe" --seed "$seed" \
    --train "$out/train-x.npy,$out/train-y.npy" --test "$out/test-x.npy,$out/test-y.npy" \
    --broken "$broken/gaussian_noise.npy,$broken/labels.npy" \
    --rate "$rate" --copies "$copies" --threads "$threads" ${size:+--size "$size"} ${epochs:+--epochs "$epochs"} \
    --out "$theirs.json" >&2
done

python3 - "$kept" $seeds <<'P'
import json, pathlib, statistics, sys
out, seeds = pathlib.Path(sys.argv[1]), sys.argv[2:]

def ours(seed):
    result = json.loads((out / f"ours-{seed}.json").read_text())
    for line in (out / f"ours-{seed}" / "metrics.jsonl").read_text().splitlines():
        line = json.loads(line)
        for key, name in (("accuracy", "test_accuracy"), ("rotation", "test_rotation_accuracy")):
            result[key] = line.get(name, result.get(key))
    return result

COLUMNS = (("kinds, clean", "accuracy", 100), ("turns, clean", "rotation", 100), ("error, joint", "error_none", 1),
           ("error, online", "error", 1))
rows = [(seed, ours(seed), json.loads((out / f"pytorch-{seed}.json").read_text())) for seed in seeds]
print("| seed | " + " | ".join(f"{title}: ours | PyTorch" for title, _, _ in COLUMNS) + " |")
print("| --- |" + " --- | --- |" * len(COLUMNS))
for seed, *sides in rows:
    print(f"| {seed} | " + " | ".join(f"{scale * s[key]:.1f}" for _, key, scale in COLUMNS for s in sides) + " |")
means = [[scale * statistics.mean(row[side][key] for row in rows) for side in (1, 2)] for _, key, scale in COLUMNS]
print("| mean | " + " | ".join(f"{v:.1f}" for pair in means for v in pair) + " |")
print("| ours - PyTorch | " + " | ".join(f"{a - b:+.1f} | " for a, b in means) + "|")
P
