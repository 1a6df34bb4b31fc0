#!/usr/bin/env bash
# Test-time training and corruptions: exit codes that name the culprit, the same bytes for any number of threads, kill and
# resume, formats that are read again.   ttt.sh PROGRAM
. "$(dirname "$0")/checks.bash"
"$program" data export world:train --count 96 --out "$work/x.npy,$work/y.npy" >/dev/null || exit 1
"$program" data export world:test --count 12 --out "$work/tx.npy,$work/ty.npy" >/dev/null || exit 1
tiny=(--data "$work/x.npy,$work/y.npy" --set model=resnet26 --set width=8 --set groups=4 --set batch_size=32 --set epochs=1 -q)
pictures=(--data "$work/tx.npy,$work/ty.npy")
test=("${pictures[@]}" --copies 8 --learning-rate 0.01)

# Training: both objectives, the same bytes for any number of threads, networks that do not split there.
for threads in 1 2 3; do
  runs 0 "rotation_accuracy" train ttt "${tiny[@]}" --threads $threads --out "$work/joint$threads"
  cmp -s "$work"/joint1/checkpoints/step-00000003.safetensors "$work/joint$threads"/checkpoints/step-00000003.safetensors ||
    complain "train ttt: $threads threads give other bytes"
done
runs 0 "accuracy" train ttt "${tiny[@]}" --set objective=main --out "$work/main"
grep -q rotation "$work/main/metrics.jsonl" && complain "objective=main learned turns"
runs 2 "layer9" train ttt "${tiny[@]}" --set split=layer9 --out "$work/none"
"$program" inspect "$work/joint1" | grep 'head\.layer3\.0\.conv1\.weight' >/dev/null || complain "no branch in the checkpoint"
"$program" inspect "$work/main" | grep 'head\.' >/dev/null && complain "a branch in the baseline's checkpoint"

# The encoder alone, out of a Y network and into another run.
runs 0 "" export --checkpoint "$work/joint1" --part encoder --out "$work/encoder.safetensors"
"$program" inspect "$work/encoder.safetensors" | grep 'head\.' >/dev/null && complain "the exported encoder has a branch"
for start in joint1 encoder.safetensors; do
  runs 0 "" train supervised "${tiny[@]}" --init "$work/$start" --freeze encoder --out "$work/from-$start"
done
cmp -s <("$program" inspect "$work/from-joint1" | grep -E '^  (parameter|buffer)') \
       <("$program" inspect "$work/from-encoder.safetensors" | grep -E '^  (parameter|buffer)') || complain "--init: two ways, two encoders"

# Bad input.
joint=(adapt --checkpoint "$work/joint1" "${test[@]}" --out "$work/none")
runs 2 "no self-supervised branch" adapt --checkpoint "$work/main" "${test[@]}" --mode online --out "$work/none"
runs 2 "did you mean fog?" "${joint[@]}" --corruption fgo:5
runs 2 "a severity is a number from 1 to 5, got 6" "${joint[@]}" --corruption fog:6
runs 2 "100 pictures are wanted, there are 12" "${joint[@]}" --samples 100
runs 2 "mode" "${joint[@]}" --mode sometimes
runs 2 "learning_rate does nothing in mode none" "${joint[@]}" --mode none
runs 2 "anchor does nothing in mode standard" "${joint[@]}" --mode standard --set anchor=0.1
runs 6 "x.npy: a header of" adapt --checkpoint "$work/x.npy" "${test[@]}" --out "$work/none"
"$program" data export world:test --count 3 --out "$work/unlabelled.npy" >/dev/null
runs 3 "classes" adapt --checkpoint "$work/joint1" --data "$work/unlabelled.npy" --out "$work/none"
mkdir -p "$work/empty/house" "$work/small/a"
runs 3 "empty" adapt --checkpoint "$work/joint1" --data "$work/empty" --out "$work/none"
printf 'P6 1 1 255\nabc' >"$work/small/a/one.ppm"
runs 3 "one.ppm: a picture to corrupt needs at least 16 x 16 pixels, got 1 x 1" \
  corrupt --data "$work/small" --corruption fog:1 --out "$work/c1"
[[ ! -e $work/none ]] || complain "a refused run left its directory"
{ printf 'P5 32 32 255\n'; head -c 1024 /dev/urandom; } >"$work/small/a/one.ppm"
runs 0 "1 of" corrupt --data "$work/small" --corruption fog:1 --out "$work/c2"   # a grey picture is a picture

for class in $(seq 100 399); do mkdir -p "$work/wide/$class"; cp "$work/small/a/one.ppm" "$work/wide/$class"; done

# Corruptions: again the same bytes, and what is written is read.
for threads in 1 3; do
  runs 0 "labels.npy" corrupt --data "$work/tx.npy,$work/ty.npy" --corruption all:5,fog --format npy --threads $threads --out "$work/npy$threads"
done
diff -rq "$work/npy1" "$work/npy3" >/dev/null || complain "corrupt: threads change the pictures"
runs 0 "labels.npy" corrupt --data "$work/wide" --side 32 --corruption fog:1 --format npy --out "$work/wide-npy"
python3 - "$work/wide-npy/labels.npy" <<'PYTHON' || complain "corrupt --format npy: the labels of 300 classes"
import pathlib, struct, sys
raw = pathlib.Path(sys.argv[1]).read_bytes()
data = raw[10 + struct.unpack("<H", raw[8:10])[0]:]
assert b"'<i8'" in raw[:64] and list(struct.unpack(f"<{len(data) // 8}q", data)) == list(range(300)), raw[:64]
PYTHON
runs 2 "is there already" corrupt --data "$work/tx.npy" --corruption fog:5 --out "$work/npy1"
runs 0 "samples    12" data info "$work/npy1/snow.npy"
runs 0 "samples    60" data info "$work/npy1/fog.npy"
runs 0 "distance" corrupt --data "$work/tx.npy" --corruption fog:5 --statistics --sheet "$work/sheet.png"
[[ -s $work/sheet.png ]] || complain "no contact sheet"

# A stream's results are the same bytes for any number of threads, and after any interruption.
stream=(adapt --checkpoint "$work/joint1" "${test[@]}" --corruption none,gaussian_noise:5,fog:5)
for mode in online standard; do
  for threads in 1 2 3; do
    runs 0 "mean" "${stream[@]}" --mode $mode --steps 2 --threads $threads --out "$work/$mode$threads"
    cmp -s "$work/${mode}1/metrics.jsonl" "$work/$mode$threads/metrics.jsonl" || complain "$mode: $threads threads give other results"
  done
done
cmp -s "$work/online1/metrics.jsonl" "$work/standard1/metrics.jsonl" && complain "online and standard gave the same"
# Side by side, as one by one; and the time of a batch is told.
for n in 1 2 3; do
  runs 0 "ms a picture, $n at a time; a batch learned from and answered in" \
    "${stream[@]}" --mode standard --steps 2 --threads 2 --side-by-side $n --out "$work/beside$n"
  cmp -s "$work/standard1/metrics.jsonl" "$work/beside$n/metrics.jsonl" || complain "$n networks side by side give other results"
done
runs 2 "side by side: batches depend on those before in mode online" "${stream[@]}" --mode online --side-by-side 2 --out "$work/none"
run=$work/killed
"$program" "${stream[@]}" --mode online --steps 2 --out "$run" >/dev/null 2>&1 &
pid=$!
for _ in $(seq 600); do [[ ! -s $run/metrics.jsonl ]] || break; sleep 0.05; done
kill -KILL $pid 2>/dev/null; wait $pid 2>/dev/null
printf '{"corruption": "torn' >>"$run/metrics.jsonl"
runs 0 "mean" "${stream[@]}" --mode online --steps 2 --resume --out "$run"
cmp -s "$work/online1/metrics.jsonl" "$run/metrics.jsonl" || complain "a killed run ends in other results"
runs 2 "steps: 2 then, 3 now" "${stream[@]}" --mode online --steps 3 --resume --out "$run"
runs 2 "holds a run already" "${stream[@]}" --mode online --out "$run"
"$program" "${stream[@]}" --mode online --steps 1000 --out "$work/stopped" >"$work/out" 2>"$work/err" &
pid=$!
for _ in $(seq 600); do [[ ! -s $work/stopped/config.toml ]] || break; sleep 0.05; done
kill -TERM $pid; wait $pid; status=$?
[[ $status -eq 143 ]] || complain "SIGTERM: exit code $status"

# In turn: one stream, its pictures those of the three; the first third has seen nothing else yet.
for threads in 1 3; do
  runs 0 "in turn" "${stream[@]}" --mode online --steps 2 --in-turn --threads $threads --out "$work/turn$threads"
  cmp -s "$work/turn1/metrics.jsonl" "$work/turn$threads/metrics.jsonl" || complain "--in-turn: $threads threads give other results"
done
python3 - "$work" <<'PYTHON' || complain "--in-turn: not the three streams, one after the other"
import json, pathlib, sys
lines = lambda run: [json.loads(l) for l in (pathlib.Path(sys.argv[1]) / run / "metrics.jsonl").read_text().splitlines()]
(turn,), parts = lines("turn1"), lines("online1")
assert turn["right_none"] == "".join(p["right_none"] for p in parts) and turn["right"][:12] == parts[0]["right"], turn
assert turn["last_loss"] != sum(p["last_loss"] for p in parts) / 3, "the snapshot came back between them"
PYTHON
runs 2 "in turn there must be several corruptions" "${joint[@]}" --corruption fog:5 --in-turn
runs 0 "labels are random" "${stream[@]}" --mode online --set turn_labels=random --out "$work/control"

# The gradients' agreement: with every stream, and the same after an interruption; pictures of the results.
agreeing=("${stream[@]}" --mode standard --gradients --set learning_rate=1 --steps 3)
runs 0 "and the error taken away: r " "${agreeing[@]}" --out "$work/agree"
grep -c '"gradient_product": -\?[0-9]' "$work/agree/metrics.jsonl" | grep -qx 3 || complain "--gradients: $(tail -1 "$work/agree/metrics.jsonl")"
for picture in errors stream gradients; do
  [[ -s $work/agree/pictures/$picture.png ]] || complain "adapt: no picture of $picture"
done
cp -r "$work/agree" "$work/agree-again"
sed -i '$d' "$work/agree-again/metrics.jsonl"
runs 0 "over 3 streams" "${agreeing[@]}" --resume --out "$work/agree-again"
cmp -s "$work/agree/metrics.jsonl" "$work/agree-again/metrics.jsonl" || complain "--gradients: a resumed run ends in other results"
[[ ! -e $work/online1/pictures/gradients.png ]] || complain "a picture of gradients that were not measured"
runs 2 "gradients does nothing in mode none" adapt --checkpoint "$work/joint1" "${pictures[@]}" --mode none --gradients --out "$work/none"

# What it is compared with: BatchNorm's statistics, TENT and pseudo-labels, on a network without a branch too.
runs 0 "accuracy" train ttt "${tiny[@]}" --set groups=0 --set objective=main --out "$work/twin"
twin=(adapt --checkpoint "$work/twin" "${pictures[@]}" --corruption gaussian_noise:5,fog:5 --batch 5)
for method in bn tent pseudo_label; do
  learning=(--learning-rate 0.01 --steps 2); [[ $method != bn ]] || learning=(--prior 4)
  [[ $method != pseudo_label ]] || learning+=(--confidence 0)
  for mode in online standard; do
    for threads in 1 3; do
      runs 0 "; $method, $mode: " "${twin[@]}" --method $method --mode $mode "${learning[@]}" --threads $threads --out "$work/$method-$mode$threads"
    done
    cmp -s "$work/$method-${mode}1/metrics.jsonl" "$work/$method-${mode}3/metrics.jsonl" || complain "$method, $mode: 3 threads give other results"
  done
  [[ $method == bn ]] || ! cmp -s "$work/$method-online1/metrics.jsonl" "$work/$method-standard1/metrics.jsonl" ||
    complain "$method: online and standard gave the same"
done
runs 2 "the network has no BatchNorm" adapt --checkpoint "$work/joint1" "${pictures[@]}" --method tent --out "$work/none"
runs 2 "prior does nothing in mode online of method tent" "${twin[@]}" --method tent --prior 4 --out "$work/none"
runs 2 "steps does nothing in mode online of method bn" "${twin[@]}" --method bn --steps 2 --out "$work/none"
runs 2 "copies does nothing in mode standard of method pseudo_label" "${twin[@]}" --method pseudo_label --mode standard --copies 8 --out "$work/none"
runs 2 "prior does nothing in mode online" "${joint[@]}" --prior 4
runs 2 "confidence" "${twin[@]}" --method pseudo_label --confidence 1.5 --out "$work/none"
[[ ! -e $work/none ]] || complain "a refused run left its directory"

# Losses that are not finite: no part of the means; a stream without any other is read again by --resume.
diverging=(adapt --checkpoint "$work/joint1" "${pictures[@]}" --copies 8 --corruption none,fog:5 --mode online --batch 12
           --learning-rate 1000 --steps 20)
runs 0 "mean" "${diverging[@]}" --out "$work/diverged"
grep -q '"last_loss": null' "$work/diverged/metrics.jsonl" || complain "no loss that is not finite: $(tail -1 "$work/diverged/metrics.jsonl")"
cp -r "$work/diverged" "$work/again"
sed -i '$d' "$work/again/metrics.jsonl"
runs 0 "mean" "${diverging[@]}" --resume --out "$work/again"
cmp -s "$work/diverged/metrics.jsonl" "$work/again/metrics.jsonl" || complain "a diverged run ends in other results"

# none learns nothing; a baseline can be judged by it; --json.
runs 0 '"error_none":' adapt --checkpoint "$work/main" "${pictures[@]}" --mode none --corruption fog:5 --json --out "$work/plain"
grep -q '"difference": 0,' "$work/plain/metrics.jsonl" || complain "mode none changed something"
runs 0 "severity from 1 upwards" "${stream[@]}" --gradual --out "$work/gradual"

# A damaged picture is passed over, named and counted, within the cap of the run.
"$program" data export world:test --count 120 --out "$work/sx.npy,$work/sy.npy" >/dev/null
"$program" data export "$work/sx.npy,$work/sy.npy" --out "$work/stream" >/dev/null
damaged=$(find "$work/stream" -name '*.png' | sort | head -n 1)
: >"$damaged"
runs 0 "$(basename "$damaged"): the file is empty (0 bytes): left out" adapt --checkpoint "$work/main" --data "$work/stream" --mode none \
  --corruption none --out "$work/passed"
grep -qF '"samples": 119,' "$work/passed/metrics.jsonl" || complain "a damaged picture: $(cut -c 1-100 "$work/passed/metrics.jsonl")"
: >"$(find "$work/stream" -name '*.png' | sort | tail -n 1)"
runs 3 "2 of 120 pictures" adapt --checkpoint "$work/main" --data "$work/stream" --mode none --corruption none --out "$work/none"

# The example adapts inside a loop of its own.
example=$(dirname "$program")/examples/adapt_stream
if [[ -x $example ]]; then
  "$example" "$work/joint1" "$work/tx.npy,$work/ty.npy" | grep 'of 12 recognised while learning' >/dev/null || complain "the example failed"
else
  echo "SKIPPED: the example adapt_stream: it was not built"
fi

# Beside the package that ports the released code, where a Python has it.
if [[ -n ${AUTODIDACT_CORRUPTIONS_PYTHON:-} ]]; then
  PYTHONDONTWRITEBYTECODE=1 "$AUTODIDACT_CORRUPTIONS_PYTHON" "$(dirname "$0")/../parity/corruptions.py" "$program" 8 >"$work/out" ||
    { complain "corruptions differ from the package's"; grep DIFFERS "$work/out"; }
else
  echo "SKIPPED: parity of corruptions with imagecorruptions-imaug: AUTODIDACT_CORRUPTIONS_PYTHON names no Python that has it"
fi
exit $bad
