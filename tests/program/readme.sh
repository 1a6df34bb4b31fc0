#!/usr/bin/env bash
# The README's commands under "What it does", one after another as they stand there, on small data of the same kinds:
# pictures of one size with a test split for CIFAR-10, photos of another size.   readme.sh PROGRAM
. "$(dirname "$0")/checks.bash"
readme=$(dirname "$(realpath "$0")")/../../README.md
"$program" data export world:train --count 160 --out "$work/cifar/train" >/dev/null || exit 1
"$program" data export world:test --count 40 --out "$work/cifar/test" >/dev/null || exit 1
"$program" data export world:train --count 500 --side 48 --out "$work/photos" >/dev/null || exit 1
mapfile -t commands < <(sed -n '/^## What it does/,/^## /s/^autodidact //p' "$readme")
[[ ${#commands[@]} -ge 4 ]] || complain "the README has ${#commands[@]} commands"
cd "$work" || exit 1
for command in "${commands[@]}"; do
  command=${command//cifar10:DIR/cifar}
  # A folder's size is not known; an epoch is as good as many.
  [[ $command != *--recipe* ]] || command+=" --set image_size=32"
  [[ $command != train* ]] || command+=" --set epochs=1"
  [[ $command != *-world-* ]] || command+=" --set train_size=160 --set test_size=40"
  command=${command//--samples 1000/--samples 4}
  [[ $command != "evaluate linear"* ]] || command+=" --epochs 1"
  runs 0 "" $command
done
for made in runs/rotation runs/few runs/ttt; do "$program" inspect "$made" >/dev/null || complain "$made: no checkpoint"; done
exit $bad
