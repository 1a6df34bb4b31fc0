#!/usr/bin/env bash
# A training run under attack: killed, stopped, started twice, resumed with other settings, with damaged files, on a
# full disk. What must hold: nothing is lost, the end is the same bytes, the exit code says what happened.
#   training.sh PROGRAM
. "$(dirname "$0")/checks.bash"
trap '[[ -z ${mounted:-} ]] || umount "$mounted"; rm -rf "$work"' EXIT
# No test split: most of these runs are about bytes, not about accuracy.
"$program" data export world:train --count 320 --out "$work/x.npy,$work/y.npy" >/dev/null || exit 1
settings=(--data "$work/x.npy,$work/y.npy" --set model=resnet26 --set width=8 --set groups=4 --set batch_size=32
          --set checkpoint_every=3 --set log_every=1 -q)
short=("${settings[@]}" --set epochs=2)
long=("${settings[@]}" --set epochs=1000)
same_end() {   # same_end RUN: ended as the reference did, and left nothing behind
  cmp -s "$(last "$reference")" "$(last "$1")" || complain "$1: the final checkpoint differs"
  cmp -s <(without_time "$reference") <(without_time "$1") || complain "$1: metrics.jsonl differs"
  [[ -z $(find "$1" -name '*.tmp-*') ]] || complain "$1: a temporary file is left"
}
wait_for() {   # wait_for FILE: until it is there, at most 60 s
  for _ in $(seq 600); do [[ -s $1 ]] && return 0; sleep 0.1; done
  complain "$1 did not appear"; return 1
}

# Any number of threads.
reference=$work/reference
runs 0 "" train rotation "${short[@]}" --out "$work/reference"
for threads in 1 2 3 8; do
  runs 0 "" train rotation "${short[@]}" --threads $threads --out "$work/threads$threads"
  same_end "$work/threads$threads"
done

# Without Winograd's convolutions: other roundings (but for the plain class, which has the direct sum alone), the same
# for any number of threads.
for threads in 1 3; do
  runs 0 "" train rotation "${short[@]}" --winograd off --threads $threads --out "$work/direct$threads"
done
cmp -s "$(last "$work/direct1")" "$(last "$work/direct3")" || complain "--winograd off: 3 threads gave another checkpoint"
if [[ ${AUTODIDACT_ISA:-} != plain ]]; then
  ! cmp -s "$(last "$reference")" "$(last "$work/direct1")" || complain "--winograd off changed nothing"
fi
runs 0 "" train rotation "${short[@]}" --winograd on --out "$work/winograd"
same_end "$work/winograd"
runs 2 "--winograd" train rotation "${short[@]}" --winograd maybe --out "$work/none"

# Killed five times, while it starts and at different steps, and resumed.
lines() { cat "$1/metrics.jsonl" 2>/dev/null | wc -l; }
for target in 0 2 5 11 16; do
  resume=(); [[ ! -e $work/killed/.lock ]] || resume=(--resume)
  "$program" train rotation "${short[@]}" "${resume[@]}" --out "$work/killed" >/dev/null 2>&1 &
  pid=$!
  for _ in $(seq 1200); do [[ $(lines "$work/killed") -lt $target ]] || break; sleep 0.05; done
  kill -KILL $pid 2>/dev/null || complain "ended before line $target of metrics.jsonl"
  wait $pid 2>/dev/null
done
runs 0 "" train rotation "${short[@]}" $([[ ! -e $work/killed/.lock ]] || echo --resume) --out "$work/killed"
same_end "$work/killed"

# Signals: a checkpoint on USR1; INT and TERM stop with one, and the run can go on.
for name in INT TERM; do
  run=$work/signal$name
  "$program" train rotation "${long[@]}" --out "$run" >/dev/null 2>"$work/err" &
  pid=$!
  wait_for "$run/checkpoints/last" || break
  kill -USR1 $pid; sleep 0.2
  kill -$name $pid
  begin=$SECONDS; wait $pid; status=$?
  [[ $status -eq $([[ $name == INT ]] && echo 130 || echo 143) ]] || complain "SIG$name: exit code $status"
  [[ $((SECONDS - begin)) -le 10 ]] || complain "SIG$name: took longer than 10 s"
  grep -q "a checkpoint is saved" "$work/err" || complain "SIG$name: did not say that a checkpoint is saved"
  "$program" inspect "$run" >/dev/null || complain "SIG$name: the checkpoint is damaged"
done

# A signal while the test split is looked at: the epoch is saved, the look is made up for, the end is the same.
judged=(--data world --set model=resnet26 --set width=8 --set groups=4 --set batch_size=32 --set train_size=64
        --set test_size=1000 --set epochs=2 --set log_every=1 -q)
runs 0 "test_accuracy" train rotation "${judged[@]}" --out "$work/judged"
"$program" train rotation "${judged[@]}" --out "$work/stopped" >/dev/null 2>"$work/err" &
pid=$!
wait_for "$work/stopped/checkpoints/last"
kill -TERM $pid
begin=$SECONDS; wait $pid; status=$?
[[ $status -eq 143 ]] || complain "SIGTERM in an evaluation: exit code $status"
[[ $((SECONDS - begin)) -le 10 ]] || complain "SIGTERM in an evaluation: took longer than 10 s"
grep -q test_loss "$work/stopped/metrics.jsonl" && complain "SIGTERM in an evaluation: came too late to test anything"
runs 0 '"autodidact.test_split":"due"' inspect "$work/stopped" --json
[[ $(cat "$work/stopped/checkpoints/last") == step-00000002.safetensors ]] || complain "SIGTERM in an evaluation: the epoch is lost"
runs 0 "test_accuracy" train rotation "${judged[@]}" --resume --out "$work/stopped"
reference=$work/judged; same_end "$work/stopped"; reference=$work/reference

# A second process is refused while the first works; an existing run is refused without a word about it.
"$program" train rotation "${long[@]}" --out "$work/locked" >/dev/null 2>&1 &
pid=$!
wait_for "$work/locked/.lock"; sleep 0.3
for how in "" --resume --overwrite; do
  runs 2 "in use by the process $pid on" train rotation "${short[@]}" $how --out "$work/locked"
done
kill -KILL $pid; wait $pid 2>/dev/null
runs 2 "--resume goes on with it" train rotation "${short[@]}" --out "$work/reference"
runs 2 "no run to resume" train rotation "${short[@]}" --resume --out "$work/none"
mkdir "$work/photos"; : >"$work/photos/a.jpg"
runs 2 "not a run" train rotation "${short[@]}" --overwrite --out "$work/photos"

# Resumed before the first checkpoint: it begins anew, perhaps with other settings, and config.toml says so.
mkdir "$work/early"; cp "$work/reference/"{.lock,config.toml,environment.json,log.txt} "$work/early"
runs 0 "" train rotation "${short[@]}" --set learning_rate=0.05 --resume --out "$work/early"
grep -q '^learning_rate = 0.05 ' "$work/early/config.toml" || complain "a run that began anew has another's config.toml"

# Started from another's encoder, which is not needed to go on.
cp -r "$work/reference" "$work/source"
runs 0 "" train rotation "${short[@]}" --init "$work/source" --out "$work/initialised"
rm -r "$work/source" "$work/initialised/checkpoints/$(cat "$work/initialised/checkpoints/last")"
runs 0 "" train rotation --resume --out "$work/initialised" -q
runs 3 "$work/source" train rotation "${short[@]}" --init "$work/source" --out "$work/none3"

# Finished before: nothing is done, and its figures are told again.
cp -r "$work/reference" "$work/finished"
runs 0 "was finished after 20 steps" train rotation "${short[@]}" --resume --out "$work/finished"
told() { grep -oE '^  (accuracy|loss|learning_rate) +[0-9.]+' "$work/out" | sort; }
told >"$work/told"
[[ $(wc -l <"$work/told") -eq 3 ]] || complain "a finished run: told $(cat "$work/told")"
runs 0 '"images_per_second":null,"was_finished":true' train rotation "${short[@]}" --resume --json --out "$work/finished"
same_end "$work/finished"

# --overwrite: what is refused leaves the old run as it was, and a run may start from the one that it replaces.
cp -r "$work/reference" "$work/replaced"
runs 2 "did you mean epochs?" train rotation "${short[@]}" --set epohcs=3 --overwrite --out "$work/replaced"
runs 3 "$work/nowhere" train rotation --data "$work/nowhere" --overwrite --out "$work/replaced"
runs 3 "$work/nowhere" train rotation "${short[@]}" --init "$work/nowhere" --overwrite --out "$work/replaced"
same_end "$work/replaced"
runs 0 "" train rotation "${short[@]}" --set epochs=1 --init "$work/replaced" --overwrite --out "$work/replaced"
[[ $(ls "$work/replaced/checkpoints") == *step-00000010.safetensors* && $(ls "$work/replaced/checkpoints") != *00000020* ]] ||
  complain "--overwrite with --init of the same run: $(ls "$work/replaced/checkpoints")"

# A dry run: what there is, and that it would be refused.
runs 0 "training: 320 pictures of" train rotation "${short[@]}" --dry-run --out "$work/none4"
grep -qF ", 10 classes" "$work/out" || complain "--dry-run: no classes"
runs 0 "it would not begin: $work/reference: holds a run already" train rotation "${short[@]}" --dry-run --out "$work/reference"
runs 0 '"refusal":null' train rotation "${short[@]}" --dry-run --json --out "$work/none4"

# Settings that would be ignored.
runs 2 "batch_size must be at most the 320 training pictures, got 321" train rotation "${short[@]}" --set batch_size=321 --out "$work/none4"
runs 2 "train_size is for the built-in world" train rotation "${short[@]}" --set train_size=100 --out "$work/none4"
runs 2 "test_size is for the built-in world" train rotation "${short[@]}" --set test_size=100 --out "$work/none4"
runs 2 "imagenet_stem is for ResNet-18, -34 and -50" train rotation "${short[@]}" --set imagenet_stem=true --out "$work/none4"
runs 2 "groups is for GroupNorm" train rotation "${short[@]}" --set model=nin3 --set groups=4 --out "$work/none4"
runs 2 "--seed: must be a whole number from 0 to 2^62, got -5" train rotation "${short[@]}" --seed -5 --out "$work/none4"
runs 2 "--data: must not be empty" train rotation --data "" --out "$work/none4"
runs 2 "the methods are supervised, rotation," train nonsense --out "$work/none4"
runs 2 "given its pictures (mine)" train rotation "${short[@]}" --set pictures=mine --out "$work/none4"
runs 2 "warmup_epochs must be below epochs, got 2 of 2" train rotation "${short[@]}" --set warmup_epochs=2 --out "$work/none4"
runs 2 "milestones belong to schedule" train rotation "${short[@]}" --set milestones=[1] --out "$work/none4"
runs 2 "needs milestones" train rotation "${short[@]}" --set schedule=step --dry-run --out "$work/none4"
runs 1 "none/graph.dot" train rotation "${short[@]}" --dry-run --graph "$work/none/graph.dot" --out "$work/none4"
runs 0 "" train rotation "${short[@]}" --dry-run --graph "$work/graph.dot" --out "$work/none4"
grep -q 'conv2d' "$work/graph.dot" || complain "--graph: no convolution in the tape"
[[ ! -e $work/none4 ]] || complain "a refused run left its directory"

# Other settings: refused, the difference named, the run unharmed.
before=$(cat "$work/reference/config.toml" "$work/reference/metrics.jsonl" | md5sum)
runs 2 "learning_rate: 0.1 then, 0.5 now" train rotation "${short[@]}" --set learning_rate=0.5 --resume --out "$work/reference"
runs 2 "epochs: 2 then, 3 now" train rotation "${short[@]}" --set epochs=3 --resume --out "$work/reference"
runs 2 "is a run of rotation, not of supervised" train supervised "${short[@]}" --resume --out "$work/reference"
[[ $before == $(cat "$work/reference/config.toml" "$work/reference/metrics.jsonl" | md5sum) ]] || complain "a refused resume changed the run"
runs 2 "did you mean learning_rate?" train rotation "${short[@]}" --set learning_rte=1 --out "$work/none"
runs 2 "epochs must be from" train rotation "${short[@]}" --set epochs=0 --out "$work/none"
runs 2 "neither a file nor a recipe" train rotation --recipe nothing --out "$work/none"
runs 3 "no such file or folder" train rotation --data "$work/nowhere" --out "$work/none2"
[[ ! -e $work/none ]] || complain "a refused run left its directory"

# The newest checkpoint is damaged: the one before it is taken, and the end is the same. All damaged: exit code 6.
cp -r "$work/reference" "$work/flipped"
{ printf 'P5 32 32 255\n'; head -c 1024 /dev/urandom; } >"$work/picture.ppm"
newest=$(last "$work/flipped")
printf '\377' | dd of="$newest" bs=1 seek=$(($(stat -c %s "$newest") - 7)) conv=notrunc status=none
runs 6 "does not have its checksum" inspect "$work/flipped"
for command in "embed --data $work/x.npy --out $work/f.npy --checkpoint" "export --out $work/w.safetensors --checkpoint" \
               "predict $work/picture.ppm --checkpoint" "train rotation ${short[*]} --out $work/from-flipped --init"; do
  runs 0 "does not have its checksum; going back to" $command "$work/flipped"
done
runs 6 "does not have its checksum" export --checkpoint "$newest" --out "$work/none.safetensors"   # named itself
runs 0 "" train rotation "${short[@]}" --resume --out "$work/flipped"
grep -q "does not have its checksum; going back to" "$work/err" || complain "going back was not said"
same_end "$work/flipped"
cp -r "$work/reference" "$work/cut"
for f in "$work"/cut/checkpoints/step-*; do truncate -s -1 "$f"; done
runs 6 "the older ones are damaged too" train rotation "${short[@]}" --resume --out "$work/cut"

# A loss that is not finite: exit code 4, and the last checkpoint is sound.
runs 4 "learning rate" train rotation "${short[@]}" --set learning_rate=1000 --set momentum=0.99 --set epochs=20 --out "$work/nan"
[[ ! -e $work/nan/checkpoints/last ]] || "$program" inspect "$work/nan" >/dev/null || complain "a checkpoint that is not sound"

# A full disk: exit code 1, the path named, earlier checkpoints sound.
mkdir "$work/disk"
size=$(stat -c %s "$(last "$work/reference")")
if [[ $EUID -eq 0 ]] && mount -t tmpfs -o size=$((4 * size)) tmpfs "$work/disk" 2>/dev/null; then
  mounted=$work/disk
  head -c $((3 * size / 2)) /dev/zero >"$work/disk/ballast"   # room for two checkpoints and a half
  runs 1 "checkpoints/step-" train rotation "${short[@]}" --out "$work/disk/run"
  "$program" inspect "$work/disk/run" >/dev/null || complain "full disk: the earlier checkpoint is damaged"
  [[ -z $(find "$work/disk/run" -name '*.tmp-*') ]] || complain "full disk: a temporary file is left"
else
  echo "SKIPPED: training.sh: a full disk: needs the right to mount a tmpfs"
fi
exit $bad
