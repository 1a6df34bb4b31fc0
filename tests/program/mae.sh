#!/usr/bin/env bash
# Masked autoencoders: the same bytes for any number of threads and after every kill, what is kept for pictures, and
# what reconstruct refuses.   mae.sh PROGRAM
. "$(dirname "$0")/checks.bash"
settings=(--set data=world --set train_size=160 --set test_size=40 --set model=vit_tiny --set patch_size=4 --set width=16
          --set depth=2 --set heads=2 --set decoder_width=8 --set decoder_depth=1 --set decoder_heads=2 --set crop_padding=0
          --set batch_size=32 --set epochs=2 --set optimizer=adamw --set learning_rate=1e-3 --set log_every=1
          --set checkpoint_every=3 --set normalize_pixels=false -q)
same_end() {   # same_end RUN: ended as the reference did, and kept the same for pictures
  cmp -s "$(last "$work/reference")" "$(last "$1")" || complain "$1: the final checkpoint differs"
  cmp -s <(without_time "$work/reference") <(without_time "$1") || complain "$1: metrics.jsonl differs"
  diff -rq "$work/reference/reconstructions" "$1/reconstructions" >/dev/null || complain "$1: reconstructions differ"
}

runs 0 "" train mae "${settings[@]}" --out "$work/reference"
for epoch in 00000 00001 00002; do
  [[ -s $work/reference/reconstructions/epoch-$epoch.safetensors ]] || complain "nothing is kept of epoch $epoch"
done
for threads in 1 2 3; do
  runs 0 "" train mae "${settings[@]}" --threads $threads --out "$work/threads$threads"
  same_end "$work/threads$threads"
done

# Killed while it starts and at different steps, and resumed.
lines() { cat "$1/metrics.jsonl" 2>/dev/null | wc -l; }
for target in 0 2 5 8; do
  resume=(); [[ ! -e $work/killed/.lock ]] || resume=(--resume)
  "$program" train mae "${settings[@]}" "${resume[@]}" --out "$work/killed" >/dev/null 2>&1 &
  pid=$!
  for _ in $(seq 1200); do [[ $(lines "$work/killed") -lt $target ]] || break; sleep 0.05; done
  kill -KILL $pid 2>/dev/null
  wait $pid 2>/dev/null
done
[[ ! -d $work/killed/reconstructions ]] || : >"$work/killed/reconstructions/.epoch-00001.safetensors.tmp-1"   # as a kill leaves it
runs 0 "" train mae "${settings[@]}" $([[ ! -e $work/killed/.lock ]] || echo --resume) --out "$work/killed"
same_end "$work/killed"

# Pictures and figures.
reference=(--checkpoint "$work/reference" --measure 20)
runs 0 "baseline_harmonic_mse" reconstruct "${reference[@]}" --json --mask 0.5 --out "$work/r.png"
[[ $(head -c 4 "$work/r.png" | tail -c 3) == PNG ]] || complain "reconstruct wrote no PNG"
runs 0 "3 epochs" reconstruct --over-epochs "$work/reference" --out "$work/strip.png"
runs 0 "interpolated from 65 to 145 positions" reconstruct "${reference[@]}" --image-size 48
runs 0 "" train mae "${settings[@]}" --set normalize_pixels=true --set epochs=1 --out "$work/normalized"
runs 0 "the visible patches' mean and deviation" reconstruct --checkpoint "$work/normalized" --measure 8
runs 0 "a leak" reconstruct --checkpoint "$work/normalized" --measure 8 --true-statistics
runs 0 "without mask_token" export --checkpoint "$work/reference" --part encoder --out "$work/encoder.safetensors"

# Damaged pictures among the first, within the cap: what is kept and rebuilt is of those that can be read.
"$program" data export world:train --count 60 --out "$work/photos/train" >/dev/null
"$program" data export world:test --count 20 --out "$work/photos/test" >/dev/null
damaged=$(find "$work/photos/test" -name '*.png' | sort | head -n 1)
: >"$damaged"
photos=("${settings[@]}" --data "$work/photos" --set image_size=32 --set bad_cap=0.05 --set train_size=0 --set test_size=0)
runs 0 "1 damaged pictures" train mae "${photos[@]}" --set epochs=1 --out "$work/damaged"
runs 0 "$(basename "$damaged"): the file is empty (0 bytes): left out" reconstruct --checkpoint "$work/damaged"
grep -qF "over 19 pictures" "$work/out" || complain "reconstruct: $(cat "$work/out")"

# What is refused.
runs 6 "has no decoder" reconstruct --checkpoint "$work/encoder.safetensors"
for ratio in 0 1 1.5 x; do runs 2 "--mask" reconstruct "${reference[@]}" --mask $ratio; done
runs 2 "leaves 0 of 64 patches visible" reconstruct "${reference[@]}" --mask 0.999
runs 2 "patch_size must divide" reconstruct "${reference[@]}" --image-size 34
runs 2 "patch_size must divide" train mae "${settings[@]}" --set patch_size=5 --out "$work/none"
runs 2 "must be a Vision Transformer" train mae --data world --set model=resnet18 --out "$work/none"
runs 2 "must hide some" train mae "${settings[@]}" --set mask_ratio=0 --out "$work/none"
runs 2 "are for Vision Transformers" train rotation --data world --set depth=3 --out "$work/none"
runs 3 "holds no reconstructions" reconstruct --over-epochs "$work" --out "$work/none.png"
[[ ! -e $work/none ]] || complain "a refused run left its directory"

# Judging: the encoder is fine-tuned and probed as any other; either pooling starts from it.
for pool in cls mean; do
  runs 0 "test_accuracy" train supervised --data world --set train_size=64 --set test_size=20 --set model=vit_tiny \
    --set patch_size=4 --set width=16 --set depth=2 --set heads=2 --set pool=$pool --set batch_size=32 --set epochs=1 \
    --set optimizer=adamw --set learning_rate=1e-3 --init "$work/reference" --out "$work/tuned-$pool"
done
runs 0 "block" evaluate linear --checkpoint "$work/reference" --rates 0.1 --epochs 1
runs 0 "BatchNorm without scale and shift (eps 1e-06)" evaluate linear --checkpoint "$work/reference" --rates 0.1 --epochs 1 --batchnorm
grep -qF "standardised" "$work/out" && complain "evaluate linear --batchnorm standardises"

# Dropped paths and mixed pictures: drawn by picture and by batch, so any number of threads and a resume in the middle of
# an epoch end in the same bytes.
dropping=(train supervised --data world --set train_size=96 --set test_size=20 --set model=vit_tiny --set patch_size=4
          --set width=16 --set depth=2 --set heads=2 --set batch_size=32 --set epochs=2 --set optimizer=adamw
          --set learning_rate=1e-3 --set drop_path=0.5 --set mixup=0.8 --set cutmix=1 --set checkpoint_every=1 --set log_every=1 -q)
runs 0 "" "${dropping[@]}" --threads 1 --out "$work/dropping"
cp -r "$work/dropping" "$work/resumed"
ls "$work/resumed/checkpoints/"step-*6.safetensors | xargs rm   # the last
runs 0 "" "${dropping[@]}" --threads 3 --resume --out "$work/resumed"
runs 0 "" "${dropping[@]}" --threads 2 --out "$work/two"
for run in resumed two; do
  cmp -s "$(last "$work/dropping")" "$(last "$work/$run")" || complain "drop_path, mixup: the final checkpoint of $run differs"
  cmp -s <(without_time "$work/dropping") <(without_time "$work/$run") || complain "drop_path, mixup: metrics.jsonl of $run differs"
done
for key in drop_path mixup cutmix; do
  runs 0 "" "${dropping[@]}" --set $key=0 --out "$work/no-$key"
  cmp -s <(without_time "$work/dropping") <(without_time "$work/no-$key") && complain "$key changes nothing"
done
runs 2 "drop_path is for Vision Transformers" train supervised --data world --set model=resnet18 --set drop_path=0.1 --out "$work/none"
exit $bad
