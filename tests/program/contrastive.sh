#!/usr/bin/env bash
# Contrastive training (npid, simclr, moco): the same bytes for any number of threads and interruptions, bank and queue
# included; collapse and wrong settings end with their exit codes; what is learned can be judged and used.
#   contrastive.sh PROGRAM
. "$(dirname "$0")/checks.bash"
same_end() {   # same_end RUN REFERENCE
  cmp -s "$(last "$2")" "$(last "$1")" || complain "$1: the final checkpoint differs"
  cmp -s <(without_time "$2") <(without_time "$1") || complain "$1: metrics.jsonl differs"
}
"$program" data export world:train --count 160 --out "$work/x.npy,$work/y.npy" >/dev/null || exit 1
tiny=(--set model=resnet18 --set width=4 --set imagenet_stem=true --set dim=16 --set batch_size=32 --set log_every=1)
short=(--data "$work/x.npy,$work/y.npy" "${tiny[@]}" --set epochs=3 --set checkpoint_every=4)
declare -A own=([simclr]="--set head=mlp --set optimizer=lars --set grey=0.5 --set blur=0.5 --set solarize=0.2"
                [npid]="--set proximal=1 --set bank=disk"
                [nce]="--set negatives=20"
                [moco]="--set queue_size=80 --set key_momentum=0.9 --set batch_norm_splits=4")   # 80: not of whole batches

for method in simclr npid moco; do
  reference=$work/$method
  runs 0 "" train $method "${short[@]}" ${own[$method]} --threads 1 --out "$reference"
  for threads in 2 3; do
    runs 0 "" train $method "${short[@]}" ${own[$method]} -q --threads $threads --out "$reference-$threads"
    same_end "$reference-$threads" "$reference"
  done
  # Killed twice and resumed.
  resume=
  for line in 5 9; do
    "$program" train $method "${short[@]}" ${own[$method]} -q $resume --out "$reference-killed" >/dev/null 2>&1 &
    pid=$!
    for _ in $(seq 2400); do
      [[ $(cat "$reference-killed/metrics.jsonl" 2>/dev/null | wc -l) -lt $line ]] || break; sleep 0.02
    done
    kill -KILL $pid 2>/dev/null || complain "$method: ended before line $line of metrics.jsonl"
    wait $pid 2>/dev/null
    resume=--resume
  done
  runs 0 "resuming after step" train $method "${short[@]}" ${own[$method]} --resume --out "$reference-killed"
  same_end "$reference-killed" "$reference"
done
for threads in 1 3; do
  runs 0 "" train npid "${short[@]}" ${own[nce]} --threads $threads -q --out "$work/nce-$threads"
done
same_end "$work/nce-3" "$work/nce-1"
runs 0 "" train moco "${short[@]}" ${own[moco]} --set symmetric=true -q --out "$work/symmetric"
grep -q "the queue is full after step 3: 80 keys" "$work/moco/log.txt" || complain "moco: did not say when its queue was full"
for held in simclr: npid:method.bank moco:method.queue moco:method.queue_next moco:method.key.bn1.running_mean \
            moco:optimizer.ema.conv1.weight; do
  runs 0 "${held#*:}" inspect "$work/${held%%:*}"
done

# Judged, used, handed on.
runs 0 "features" evaluate linear --checkpoint "$work/moco" --block features --rates 0.1 --epochs 1
runs 0 "untrained" evaluate knn --k 5 --checkpoint "$work/npid" --untrained --seed 2
runs 0 "" embed --checkpoint "$work/simclr" --data "$work/x.npy,$work/y.npy" --out "$work/e.npy"
"$program" data export world:train --count 1 --out "$work/one" >/dev/null
runs 2 "no head that predicts" predict --checkpoint "$work/simclr" "$(find "$work/one" -name '*.png' | head -n 1)"
runs 0 "" export --checkpoint "$work/moco" --part encoder --out "$work/encoder.safetensors"
runs 0 "conv1.weight" inspect "$work/encoder.safetensors"
grep -q "method\.\|fc\." "$work/out" && complain "an exported encoder holds more than the encoder"
for method in simclr npid moco; do
  runs 0 "" train supervised --data "$work/x.npy,$work/y.npy" --set model=resnet18 --set width=4 --set imagenet_stem=true \
    --set batch_size=32 --set epochs=1 --init "$work/$method" -q --out "$work/tuned-$method"
done
# A nearest-neighbour judge and the health of the embeddings, where there is a test split.
runs 0 "test_knn_accuracy" train simclr --data world --set train_size=64 --set test_size=40 "${tiny[@]}" --set epochs=1 -q --out "$work/judged"
for what in test_std test_effective_rank test_alignment test_uniformity test_positive_similarity; do
  grep -q "\"$what\"" "$work/judged/metrics.jsonl" || complain "no $what in metrics.jsonl"
done

[[ $(head -c 4 "$work/judged/similarities.png" | tail -c 3) == PNG ]] || complain "similarities.png is no PNG"
runs 0 "" train simclr --data world --set train_size=64 --set test_size=40 "${tiny[@]}" --set epochs=1 -q --out "$work/judged" --overwrite

# All embeddings one: pictures that are all black.
size=$(stat -c %s "$work/x.npy")
{ head -c 128 "$work/x.npy"; head -c $((size - 128)) /dev/zero; } >"$work/black.npy"
for method in simclr npid moco; do
  runs 4 "the embeddings have collapsed" train $method --data "$work/black.npy" "${tiny[@]}" ${own[$method]} --set epochs=4 \
    --on-collapse stop --out "$work/collapsed-$method"
done
# The count of collapsed steps is part of a checkpoint: a resumed run stops at the same step, the tenth.
stops=(train simclr --data "$work/black.npy" "${tiny[@]}" --set epochs=8 --set checkpoint_every=4 --on-collapse stop --out "$work/stops")
runs 4 "the embeddings have collapsed" "${stops[@]}"
runs 0 '"autodidact.collapsed":"8"' inspect "$work/stops" --json
runs 4 "the embeddings have collapsed" "${stops[@]}" --resume
[[ $(cat "$work/stops/checkpoints/last") == step-00000008.safetensors ]] || complain "resumed, it stopped later: $(cat "$work/stops/checkpoints/last")"
runs 0 "--on-collapse stop ends a run there" train simclr --data "$work/black.npy" "${tiny[@]}" --set epochs=3 --out "$work/warned"

# Settings that cannot be.
runs 2 "temperature must be from" train simclr "${short[@]}" --set temperature=0 --out "$work/none"
runs 2 "batch_norm_splits must divide batch_size, 32, got 3" train moco "${short[@]}" --set batch_norm_splits=3 --out "$work/none"
runs 2 "batch_size must be at least 2" train simclr "${short[@]}" --set batch_size=1 --out "$work/none"
runs 2 "unknown key queue_size" train simclr "${short[@]}" --set queue_size=64 --out "$work/none"
runs 2 "unknown key on_collapse" train rotation "${short[@]:0:2}" --on-collapse stop --out "$work/none"
runs 2 "on_collapse" train moco "${short[@]}" --on-collapse perhaps --out "$work/none"
[[ ! -e $work/none ]] || complain "a refused run left its directory"

# Damaged pictures are named, replaced and counted.
"$program" data export world:train --count 100 --out "$work/folder" >/dev/null
find "$work/folder" -name '*.png' | sort | awk 'NR % 20 == 0' | while read -r picture; do truncate -s 60 "$picture"; done
runs 0 "5 damaged pictures" train simclr --data "$work/folder" "${tiny[@]}" --set image_size=32 --set epochs=2 --set bad_cap=0.1 --out "$work/damaged"
[[ $(wc -l <"$work/damaged/bad_files.txt") -eq 5 ]] || complain "bad_files.txt does not list five pictures"

# What the network sees.
runs 0 "10 samples drawn" data show world --recipe simclr-world-quick --out "$work/views.png"
runs 2 "unknown key crop_padding" data show world --recipe simclr-world-quick --set crop_padding=4 --out "$work/no.png"
exit $bad
