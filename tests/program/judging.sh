#!/usr/bin/env bash
# What is trained on, judged on and written by whom: sources that name a split, missing test splits, damaged pictures in
# embed, fine-tuning runs that are there already or are stopped.   judging.sh PROGRAM
set -uo pipefail
program=$1
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
bad=0
complain() { echo "judging.sh: $1"; bad=1; }
runs() {   # runs CODE TEXT ARGUMENTS...: the exit code, and TEXT in what was printed
  local code=$1 text=$2; shift 2
  "$program" "$@" >"$work/out" 2>"$work/err"; local status=$?
  [[ $status -eq $code ]] || { complain "$*: exit code $status, expected $code"; cat "$work/err"; }
  grep -aqF -- "$text" "$work/out" "$work/err" || { complain "$*: printed no '$text'"; cat "$work/out" "$work/err"; }
}
"$program" data export world:train --count 120 --out "$work/x.npy,$work/y.npy" >/dev/null || exit 1
"$program" data export world:test --count 60 --out "$work/tx.npy,$work/ty.npy" >/dev/null || exit 1
data=(--data "$work/x.npy,$work/y.npy") test=(--test "$work/tx.npy,$work/ty.npy")
tiny=(--set model=resnet26 --set width=8 --set groups=4 --set batch_size=32 --set epochs=1)
quick=(--block features --rates 0.1,0.01 --epochs 1 --labels 1,2)

# One split cannot be both.
for split in test val test2; do
  runs 2 "names the split $split" train rotation --data "world:$split" "${tiny[@]}" --out "$work/none"
done
[[ ! -e $work/none ]] || complain "a refused run left its directory"
runs 0 "no test split: no accuracy" train rotation "${data[@]}" "${tiny[@]}" --dry-run --out "$work/none"
runs 0 "no test split: no accuracy" train rotation "${data[@]}" "${tiny[@]}" --out "$work/rotation"
runs 2 "names the split test" evaluate knn --checkpoint "$work/rotation" --data world:test
runs 2 "other pictures than those trained on" evaluate knn --checkpoint "$work/rotation" --test "$work/x.npy,$work/y.npy"
runs 0 "has no test split: one fifth of it" evaluate knn --k 5 --checkpoint "$work/rotation"
runs 0 "tested on 60" evaluate knn --k 5 --checkpoint "$work/rotation" "${test[@]}"
runs 0 "" train supervised "${data[@]}" "${tiny[@]}" -q --out "$work/supervised"
runs 3 "learned from labels" evaluate knn --k 5 --checkpoint "$work/supervised"
runs 0 "tested on 60" evaluate knn --k 5 --checkpoint "$work/supervised" "${test[@]}"

# embed: a damaged picture has no row, the others keep their names.
"$program" data export world:train --count 120 --out "$work/folder" >/dev/null
first=$(find "$work/folder/house" -name '*.png' | sort | head -n 1)
head -c 60 "$first" >"$work/cut"; mv "$work/cut" "$first"
name=house/$(basename "$first")
runs 0 "$name: damaged PNG" embed --checkpoint "$work/rotation" --data "$work/folder" --out "$work/f.csv"
runs 0 '"pictures":119' embed --checkpoint "$work/rotation" --data "$work/folder" --out "$work/f.csv" --json
[[ $(wc -l <"$work/f.csv") -eq 120 ]] || complain "f.csv: $(wc -l <"$work/f.csv") lines, 119 rows and a head expected"
grep -qF "\"$name\"" "$work/f.csv" && complain "f.csv: a row of a damaged picture"
[[ $(grep -c '^"house/.*","house",' "$work/f.csv") -eq $(($(find "$work/folder/house" -name '*.png' | wc -l) - 1)) ]] || complain "f.csv: names and classes do not match"
# An untrained network's statistics are not those of the pictures that are embedded.
runs 0 "" train rotation "${data[@]}" --set model=resnet26 --set width=8 --set batch_size=32 --set epochs=1 -q --out "$work/batchnorm"
for part in 40 80; do
  "$program" data export world:test --count $part --out "$work/part$part.npy" >/dev/null
  runs 0 "" embed --untrained --checkpoint "$work/batchnorm" --data "$work/part$part.npy" --out "$work/part$part.csv"
done
number() { sed -n 2p "$1" | cut -d, -f3; }
[[ $(number "$work/part40.csv") == $(number "$work/part80.csv") ]] || complain "embed --untrained: a picture's features depend on the others"

# Fine-tuning.
few=(evaluate few-labels --checkpoint "$work/rotation" "${quick[@]}" --finetune)
runs 2 "excludes" "${few[@]}" --images 64 --out "$work/few" --untrained
runs 0 "from scratch" "${few[@]}" --images 64 --out "$work/few"
runs 2 "is there already" "${few[@]}" --images 64 --out "$work/few"
runs 0 "from scratch" "${few[@]}" --images 64 --out "$work/few" --overwrite
for name in INT TERM; do
  "$program" "${few[@]}" --images 1000000 --out "$work/stopped$name" >"$work/out" 2>/dev/null &
  pid=$!
  for _ in $(seq 600); do [[ ! -s $work/stopped$name/finetune-1/metrics.jsonl ]] || break; sleep 0.1; done
  kill -$name $pid
  wait $pid; status=$?
  [[ $status -eq $([[ $name == INT ]] && echo 130 || echo 143) ]] || complain "fine-tuning, SIG$name: exit code $status"
  [[ ! -s $work/out ]] || complain "fine-tuning, SIG$name: printed a result"
  "$program" inspect "$work/stopped$name/finetune-1" >/dev/null || complain "fine-tuning, SIG$name: no checkpoint"
  [[ ! -e $work/stopped$name/finetune-2 ]] || complain "fine-tuning, SIG$name: went on"
done
exit $bad
