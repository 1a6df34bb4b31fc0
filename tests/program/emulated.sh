#!/usr/bin/env bash
# A network trained on the emulated GPU: losses as the CPU's, the same bytes with a captured step and without, and what
# happens when the device fails. Needs the program of a build with -DCUDA=EMULATED.
#   emulated.sh PROGRAM
. "$(dirname "$0")/checks.bash"
if ! "$program" doctor --json | grep -q '"device_code":"EMULATED"'; then
  echo "SKIPPED: tests/program/emulated.sh: not a program with an emulated GPU"; exit 77
fi
# 20 steps of 4 pictures, scaled to 8 pixels; no test split, so that the emulator runs these steps alone. ResNet-26 ends in
# maps of 2x2: with one pixel left, BatchNorm over four numbers makes the last bit of a loss its fourth digit in 20 steps.
"$program" data export world:train --count 80 --out "$work/x.npy,$work/y.npy" >/dev/null || exit 1
settings=(train rotation --data "$work/x.npy,$work/y.npy" --set model=resnet26 --set width=2 --set groups=0 --set batch_size=4 --set epochs=1
          --set image_size=8 --set crop_padding=1 --set log_every=1 --set learning_rate=0.01 -q)
losses() { sed -nE 's/.*"loss": ([^,]*),.*/\1/p' "$1/metrics.jsonl"; }

runs 0 "" "${settings[@]}" --device cpu --out "$work/cpu"
runs 0 '"device":"emulated"' "${settings[@]}" --json --device emulated --out "$work/replayed"
runs 0 "" "${settings[@]}" --device emulated --no-capture --out "$work/launched"
[[ $(losses "$work/replayed" | wc -l) -eq 20 ]] || complain "not 20 steps"
same_losses() {   # same_losses STEPS MOST RUN RUN: relative to the loss
  paste <(losses "$3") <(losses "$4") |
    awk -v steps="$1" -v allowed="$2" '{d = $1 - $2; if (d < 0) d = -d; if (d > most * $1) most = d / $1}
      END {printf "largest relative difference of %d losses: %.2g\n", NR, most; exit !(NR == steps && most <= allowed)}' ||
    complain "the losses of the emulated GPU are not the CPU's: $4"
}
same_losses 20 1e-5 "$work/cpu" "$work/replayed"
cmp -s <(without_time "$work/replayed") <(without_time "$work/launched") || complain "metrics differ with and without capture"
cmp -s "$(last "$work/replayed")" "$(last "$work/launched")" || complain "checkpoints differ with and without capture"

# A checkpoint goes from one device to the other.
for command in "embed --data $work/x.npy,$work/y.npy --out"; do
  runs 0 "" $command "$work/cpu.csv" --checkpoint "$work/replayed" --device cpu -q
  runs 0 "" $command "$work/emulated.csv" --checkpoint "$work/replayed" --device emulated -q
  [[ $(wc -l <"$work/emulated.csv") -eq 81 ]] || complain "embed wrote $(wc -l <"$work/emulated.csv") lines"
done

# Every other method, four steps and a look at the test split: its losses, and that nothing of it reads the GPU's memory
# from the host.
"$program" data export world:train --count 16 --out "$work/few/train" >/dev/null &&
  "$program" data export world:test --count 8 --out "$work/few/test" >/dev/null || exit 1
few=(--data "$work/few" --set image_size=8 --set batch_size=4 --set epochs=1 --set log_every=1
     --set learning_rate=0.01 -q)
network=(--set model=resnet26 --set width=2 --set groups=0)
trains() {   # trains METHOD SETTINGS...
  local run=$work/$1; rm -rf "$run"-*
  runs 0 "" train "$@" "${few[@]}" --device cpu --out "$run-cpu"
  runs 0 "" train "$@" "${few[@]}" --device emulated --out "$run-emulated"
  same_losses 4 1e-4 "$run-cpu" "$run-emulated"
}
trains mae --set model=vit_tiny --set width=8 --set depth=1 --set heads=2 --set patch_size=2 --set decoder_width=8 \
       --set decoder_depth=1 --set decoder_heads=2
trains supervised --set model=vit_tiny --set width=8 --set depth=2 --set heads=2 --set patch_size=2 --set drop_path=0.5 \
       --set mixup=0.8 --set cutmix=1
trains simclr "${network[@]}" --set dim=8
trains moco "${network[@]}" --set dim=8 --set queue_size=10 --set batch_norm_splits=2 --set symmetric=true
trains npid "${network[@]}" --set dim=8
trains npid "${network[@]}" --set dim=8 --set negatives=5 --set proximal=1
trains ttt "${network[@]}"
for device in cpu emulated; do
  runs 0 "" adapt --checkpoint "$work/ttt-cpu" --mode online --samples 2 --copies 4 \
       --batch 2 --device $device --out "$work/adapt-$device" -q
done
cmp -s <(sed -E 's/"(seconds|first_loss|last_loss)": [^,}]*//g' "$work/adapt-cpu/metrics.jsonl") \
       <(sed -E 's/"(seconds|first_loss|last_loss)": [^,}]*//g' "$work/adapt-emulated/metrics.jsonl") ||
  complain "adapt: the emulated GPU recognises other pictures than the CPU"
# Inner products of gradients: both devices sum in f32, in another order.
for device in cpu emulated; do
  runs 0 "" adapt --checkpoint "$work/ttt-cpu" --mode standard --gradients --samples 4 \
       --copies 4 --device $device --out "$work/gradients-$device" -q
done
products() { sed -E 's/.*"gradient_product": ([^,}]*).*/\1/' "$work/gradients-$1/metrics.jsonl"; }
paste <(products cpu) <(products emulated) |
  awk '{d = $1 - $2; if (d < 0) d = -d; m = $1 < 0 ? -$1 : $1; if (!(m > 0 && d <= 1e-4 * m)) bad = 1}
    END {exit bad || NR != 1}' || complain "adapt --gradients: $(products cpu | xargs) on the CPU, $(products emulated | xargs) on the emulated GPU"
for device in cpu emulated; do
  runs 0 "tent, online" adapt --checkpoint "$work/ttt-cpu" --method tent --mode online --samples 4 --batch 4 --steps 2 \
       --learning-rate 0.1 --device $device --out "$work/tent-$device" -q
done
entropies() { sed -E 's/.*"first_loss": ([^,]*), "last_loss": ([^,}]*).*/\1 \2/' "$work/tent-$1/metrics.jsonl"; }
awk -v ours="$(entropies cpu)" -v theirs="$(entropies emulated)" 'BEGIN {
    split(ours, a, " "); split(theirs, b, " ")
    for (i in a) { d = a[i] - b[i]; if (!(d < 1e-4 * a[i] && -d < 1e-4 * a[i])) exit 1 }
    exit !(a[2] < a[1]) }' ||   # the second step began below the first
  complain "adapt --method tent: entropies of $(entropies cpu) on the CPU, $(entropies emulated) on the emulated GPU"

# The device fails: exit code 5, in words; nothing is written afterwards.
fails() { export AUTODIDACT_EMULATOR_FAIL=$1; }
fails "cudaGetDeviceCount:100:0"
runs 5 "does CUDA_VISIBLE_DEVICES hide it?" "${settings[@]}" --device emulated --out "$work/none"
fails "cudaDriverGetVersion:11040:0 cudaDriverGetVersion:11040:0 cudaGetDeviceCount:35:0"
runs 5 "the driver is for CUDA 11.4, this program for CUDA 13.0" "${settings[@]}" --device emulated --out "$work/none"
fails "computeCapability:75:0"
runs 5 "it needs compute capability 8.0 or later" "${settings[@]}" --device emulated --out "$work/none"
[[ ! -e $work/none ]] || complain "a refused run left its directory"
fails "cudaGraphLaunch:700:9"   # the eleventh step
runs 5 "the GPU stopped: an illegal memory access" "${settings[@]}" --device emulated --set checkpoint_every=5 --out "$work/lost"
unset AUTODIDACT_EMULATOR_FAIL
[[ $(cat "$work/lost/checkpoints/last") == step-00000010.safetensors ]] || complain "a checkpoint was written after the GPU stopped"
runs 0 "" "${settings[@]}" --device emulated --set checkpoint_every=5 --resume --out "$work/lost"
AUTODIDACT_EMULATOR_MEMORY=$((48 << 20)) runs 5 "out of memory: " "${settings[@]}" --device emulated --set width=64 --out "$work/full"
exit $bad
