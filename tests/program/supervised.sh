#!/usr/bin/env bash
# Training with labels from a folder: test split, --init, frozen encoder, few labels, bf16, --graph, damaged pictures,
# weights to and from others.   supervised.sh PROGRAM
. "$(dirname "$0")/checks.bash"
count() { grep -c "$1" "$2/metrics.jsonl"; }
# tensors RUN [WITHOUT]: role, type, shape, checksum and name of the network's tensors
tensors() { "$program" inspect "$1" | grep -E '^  (parameter|buffer) ' | grep -vE " ${2:-nothing}\." ; }

"$program" data export world:train --count 200 --out "$work/photos/train" >/dev/null || exit 1
"$program" data export world:test --count 60 --out "$work/photos/test" >/dev/null || exit 1
net=(--set image_size=32 --set model=resnet18 --set width=8 --set batch_size=32 --set log_every=1)
photos=(--data "$work/photos" "${net[@]}")

# The last epoch is always judged, the others as evaluate_every says.
runs 0 "test_accuracy" train supervised "${photos[@]}" --set epochs=3 --set evaluate_every=2 --graph "$work/tape.dot" --out "$work/run"
[[ $(count test_loss "$work/run") -eq 2 ]] || complain "evaluate_every=2 of 3 epochs: not judged twice"
grep '"test_loss"' "$work/run/metrics.jsonl" | head -1 | grep -q '"step": 12, "epoch": 2' || complain "the first look was not after epoch 2"
grep -q '^digraph' "$work/tape.dot" && grep -q cross_entropy "$work/tape.dot" || complain "--graph wrote no tape"

# From a pretext's encoder, which stays as it was: weights, running statistics and all. Few labels.
runs 0 "" train rotation "${photos[@]}" --set epochs=1 --out "$work/pretext"
runs 0 "5 labels a class of" train supervised "${photos[@]}" --init "$work/pretext" --freeze encoder --set labels_per_class=5 \
  --set epochs=2 --out "$work/frozen"
[[ -s $work/frozen/metrics.jsonl && $(count learning_rate "$work/frozen") -eq 2 ]] || complain "50 pictures, batch 32, 2 epochs: not 2 steps"
cmp -s <(tensors "$work/pretext" fc) <(tensors "$work/frozen" fc) || complain "a frozen encoder changed"
[[ $(tensors "$work/frozen" fc | wc -l) -eq 120 ]] || complain "ResNet-18 has 120 tensors beside its head"
runs 0 "" train supervised "${photos[@]}" --init "$work/pretext" --set epochs=1 --out "$work/tuned"
cmp -s <(tensors "$work/pretext" fc) <(tensors "$work/tuned" fc) && complain "fine-tuning changed nothing"
runs 6 "conv1.weight" train supervised "${photos[@]}" --init "$work/pretext" --set width=16 --set epochs=1 --out "$work/none"
grep -qF "width: 8 then, 16 now" "$work/err" || complain "another width: the key is not named"
[[ $(grep -c '^  mismatched' "$work/err") -le 5 ]] || complain "another width: a list of hundreds"

# What is not set is the checkpoint's: the network, the size of its pictures and how it sees them; in a resume too.
printf 'epochs = 1\nbatch_size = 32\ncrop_padding = 1\n' >"$work/mine.toml"
taken=(train supervised --recipe "$work/mine.toml" --data "$work/photos" --init "$work/pretext" --out "$work/taken")
runs 0 "model = 'resnet18', width = 8, " "${taken[@]}"
grep -qF "taken from $work/pretext/checkpoints/step-" "$work/err" || complain "--init: where keys were taken from is not said"
grep -qF "crop_padding" "$work/err" && complain "--init: a key that was set was taken"
for line in 'width = 8 ' 'image_size = 32 ' 'crop_padding = 1 '; do
  grep -q "^$line" "$work/taken/config.toml" || complain "--init: config.toml lacks $line"
done
mv "$work/pretext" "$work/moved"
runs 0 "was finished after 6 steps" "${taken[@]}" --resume
mv "$work/moved" "$work/pretext"

# bf16: f32 masters in the file, and the same bytes again.
for name in a b; do runs 0 "" train supervised "${photos[@]}" --dtype bf16 --set epochs=1 --out "$work/bf16$name"; done
cmp -s "$work/bf16a/checkpoints/step-00000006.safetensors" "$work/bf16b/checkpoints/step-00000006.safetensors" ||
  complain "bf16: two runs differ"
tensors "$work/bf16a" | grep 'parameter *f32 ' >/dev/null || complain "bf16: no f32 masters in the checkpoint"
tensors "$work/bf16a" | grep 'bf16' >/dev/null && complain "bf16: rounded weights in the checkpoint"

# Weights alone, out and in again.
runs 0 "122 tensors" export --checkpoint "$work/run" --out "$work/all.safetensors"
runs 2 "is there already" export --checkpoint "$work/run" --out "$work/all.safetensors"
runs 0 "120 tensors" export --checkpoint "$work/run" --part encoder --out "$work/encoder.safetensors"
runs 0 "no checksums inside" inspect "$work/all.safetensors"
cmp -s <(tensors "$work/run") <(tensors "$work/all.safetensors") || complain "exported tensors differ"
cmp -s <(tensors "$work/run" fc) <(tensors "$work/encoder.safetensors") || complain "the exported encoder differs"
runs 6 "autodidact import" predict --checkpoint "$work/all.safetensors" "$work/photos/none.png"
import=(--model resnet18 --set width=8 --image-size 32)
runs 0 "122 tensors" import "$work/all.safetensors" "${import[@]}" --out "$work/imported.safetensors"
runs 2 "unknown key epochs" import "$work/all.safetensors" "${import[@]}" --set epochs=2 --out "$work/no.safetensors"
runs 6 "conv1.weight" import "$work/all.safetensors" --model resnet18 --image-size 32 --out "$work/no.safetensors"
runs 6 "has no fc.weight" import "$work/encoder.safetensors" "${import[@]}" --out "$work/no.safetensors"
runs 2 "never read" import "$(printf 'PK\3\4xxxxxxxxxxxx' >"$work/x.pth"; echo "$work/x.pth")" "${import[@]}" --out "$work/no.safetensors"
# A Vision Transformer's positions are of its pictures' side: here 4 x 4 patches of 7 pixels.
vit=(--set model=vit_tiny --set width=8 --set depth=1 --set heads=2 --set patch_size=7)
runs 0 "" train supervised "${photos[@]}" "${vit[@]}" --set image_size=28 --set epochs=1 --out "$work/vit"
runs 0 "" export --checkpoint "$work/vit" --out "$work/vit.safetensors"
runs 0 "tensors" import "$work/vit.safetensors" --model vit_tiny --image-size 28 "${vit[@]:2}" --out "$work/vit-imported.safetensors"
cmp -s <(tensors "$work/vit") <(tensors "$work/vit-imported.safetensors") || complain "an imported Vision Transformer differs"
picture=$(find "$work/photos/test" -name '*.png' | sort | head -1)
probabilities() { "$program" predict --checkpoint "$1" "$picture" --json | sed 's/.*"probabilities":{//' | grep -oE ':[0-9.e-]+' | sort; }
cmp -s <(probabilities "$work/run") <(probabilities "$work/imported.safetensors") ||
  complain "imported weights predict something else"
runs 0 "60 pictures" embed --checkpoint "$work/imported.safetensors" --data "$work/photos:test" --out "$work/features.npy"
runs 0 "block features" evaluate knn --checkpoint "$work/imported.safetensors" --data "$work/photos" --k 5
for start in all encoder; do
  runs 6 "its keys:" train supervised "${photos[@]}" --set width=16 --init "$work/$start.safetensors" --set epochs=1 --out "$work/none"
  runs 0 "" train supervised "${photos[@]}" --init "$work/$start.safetensors" --freeze encoder --set epochs=1 --out "$work/from-$start"
  cmp -s <(tensors "$work/run" fc) <(tensors "$work/from-$start" fc) || complain "--init from $start.safetensors: another encoder"
done

# Damaged pictures: named as they are found, of both splits, kept over a resume; beyond the cap the run ends.
one_of() { find "$work/photos/$1" -name '*.png' | sort | sed -n "$2p"; }
: >"$(one_of train 3)"; : >"$(one_of train 9)"; : >"$(one_of test 2)"
runs 3 "more than the cap of 0 %" train supervised "${photos[@]}" --set bad_cap=0 --out "$work/damaged"
[[ -s $work/damaged/bad_files.txt ]] || complain "the damaged pictures beyond the cap are not listed"
runs 3 "raise the cap (bad_cap in a recipe, --cap of evaluate and embed)" train supervised "${photos[@]}" --set bad_cap=0.001 --out "$work/beyond"
echo "an earlier one" >>"$work/damaged/bad_files.txt"
runs 0 "4 damaged pictures, replaced in training" train supervised "${photos[@]}" --set bad_cap=0.02 --set epochs=2 --resume --out "$work/damaged"
for text in "an earlier one" "$(basename "$(one_of train 3)")" "$(basename "$(one_of train 9)")" "$(basename "$(one_of test 2)")"; do
  [[ $(grep -cF "$text" "$work/damaged/bad_files.txt") -ge 1 ]] || complain "bad_files.txt lacks $text"
done
[[ $(wc -l <"$work/damaged/bad_files.txt") -eq 4 ]] || complain "bad_files.txt: not four lines"

# A class may have any name that a folder can have.
mv "$work/photos/train/$(ls "$work/photos/train" | head -1)" "$work/photos/train/"$'two\nlines'
mv "$work/photos/test/$(ls "$work/photos/test" | head -1)" "$work/photos/test/"$'two\nlines'
runs 0 "" train supervised "${photos[@]}" --set bad_cap=0.02 --set epochs=1 --out "$work/named"
picture=$(find "$work/photos/test" -name '*.png' -size +0 -not -path '*two*' | sort | head -1)
runs 0 '"two\nlines":' predict --checkpoint "$work/named" "$picture" --json
[[ $(probabilities "$work/named" | wc -l) -eq 10 ]] || complain "a class name with a line end: not ten classes"
exit $bad
