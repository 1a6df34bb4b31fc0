#!/usr/bin/env bash
# What is trained on, judged on and written by whom: sources that name a split, missing test splits, damaged pictures in
# embed, fine-tuning runs that are there already or are stopped.   judging.sh PROGRAM
. "$(dirname "$0")/checks.bash"
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
runs 0 '"pictures":119' embed --checkpoint "$work/rotation" --data "$work/folder" --out "$work/f.csv" --overwrite --json
[[ $(wc -l <"$work/f.csv") -eq 120 ]] || complain "f.csv: $(wc -l <"$work/f.csv") lines, 119 rows and a head expected"
grep -qF "\"$name\"" "$work/f.csv" && complain "f.csv: a row of a damaged picture"
[[ $(grep -c '^"house/.*","house",' "$work/f.csv") -eq $(($(find "$work/folder/house" -name '*.png' | wc -l) - 1)) ]] || complain "f.csv: names and classes do not match"
# An untrained network's statistics are not those of the pictures that are embedded.
runs 0 "" train rotation "${data[@]}" "${tiny[@]}" --set groups=0 -q --out "$work/batchnorm"
runs 0 "running_mean" inspect "$work/batchnorm"
for part in 40 80; do
  "$program" data export world:test --count $part --out "$work/part$part.npy" >/dev/null
  runs 0 "" embed --untrained --checkpoint "$work/batchnorm" --data "$work/part$part.npy" --out "$work/part$part.csv"
done
number() { sed -n 2p "$1" | cut -d, -f3; }
[[ $(number "$work/part40.csv") == $(number "$work/part80.csv") ]] || complain "embed --untrained: a picture's features depend on the others"
grep -qF "rotation, untrained, seed 1;" "$work/out" && grep -qF "statistics estimated on training pictures of $work/x.npy" "$work/out" ||
  complain "embed --untrained: says $(cat "$work/out")"
runs 0 '"seed":5,' embed --untrained --seed 5 --json --checkpoint "$work/batchnorm" --data "$work/part40.npy" --out "$work/seed5.csv"
grep -qF '"subject":"rotation, untrained, seed 5"' "$work/out" || complain "embed --untrained --seed 5: says $(cat "$work/out")"
[[ $(number "$work/part40.csv") != $(number "$work/seed5.csv") ]] || complain "embed --untrained: --seed changes nothing"
runs 0 "rotation, step 3; frozen" embed --checkpoint "$work/batchnorm" --data "$work/part40.npy" --out "$work/learned.csv"

# What would be ignored is refused.
for command in "evaluate knn" "evaluate linear" "embed --data world --out $work/no.csv"; do
  runs 2 "--seed requires --untrained" $command --checkpoint "$work/rotation" --seed 7
done
runs 2 "names the split test itself" embed --checkpoint "$work/rotation" --data world:test --split train --out "$work/no.csv"
runs 2 "--data: must not be empty" evaluate knn --checkpoint "$work/rotation" --data ""
for rates in 0.1,abc 0 -1 inf; do
  runs 2 "--rates: must be a number above 0, got ${rates#*,}" evaluate linear --checkpoint "$work/rotation" --rates $rates
done

# Damaged pictures: as many as the run was allowed, or --cap.
"$program" data export world:train --count 120 --out "$work/damaged" >/dev/null
for picture in $(find "$work/damaged/house" -name '*.png' | sort | head -n 3); do : >"$picture"; done
runs 0 "" train rotation --data "$work/damaged" --set image_size=32 "${tiny[@]}" --set bad_cap=0.2 -q --out "$work/lenient"
for name in lenient rotation; do
  code=$([[ $name == lenient ]] && echo 0 || echo 3)
  runs $code "the file is empty" embed --checkpoint "$work/$name" --data "$work/damaged" --out "$work/d.csv" --overwrite
  runs $code "the file is empty" evaluate knn --k 5 --checkpoint "$work/$name" --data "$work/damaged"
done
runs 0 "117 pictures" embed --cap 0.05 --checkpoint "$work/rotation" --data "$work/damaged" --out "$work/d.csv" --overwrite
runs 3 "raise the cap" embed --cap 0.01 --checkpoint "$work/lenient" --data "$work/damaged" --out "$work/d.csv" --overwrite

# Counts of labels that a class cannot give.
runs 0 '"per_class":2' evaluate few-labels --checkpoint "$work/rotation" "${quick[@]}" "${test[@]}" --json
runs 2 "training pictures beside the 12 held-out ones, 1000 a class were asked for" evaluate few-labels --checkpoint "$work/rotation" "${test[@]}" --labels 1,1000

# Fine-tuning.
few=(evaluate finetune --checkpoint "$work/rotation" --labels 1,2)
runs 2 "--out is required" "${few[@]}" --images 64
runs 2 "1000 a class were asked for" "${few[@]}" --labels 1000 --out "$work/few"
runs 0 "from scratch" "${few[@]}" --images 64 --out "$work/few"
# Its runs say what they were given, and nothing else is made of them.
for name in finetune-2 scratch-2; do
  grep -qE "^pictures = '20 of 96, 2 a class, draw of seed 1, 10 held-out ones left out; tested on 24 of " "$work/few/$name/config.toml" ||
    complain "$name: config.toml says $(grep -E '^(pictures|labels_per_class)' "$work/few/$name/config.toml")"
  runs 2 "was given its pictures (20 of 96" train supervised --resume --out "$work/few/$name"
done
runs 0 "tested on 60" evaluate knn --k 5 --checkpoint "$work/few/finetune-2" "${test[@]}"
runs 0 '"what":"finetune"' "${few[@]}" --images 64 --out "$work/few" --overwrite --json
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
