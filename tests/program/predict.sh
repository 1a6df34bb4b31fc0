#!/usr/bin/env bash
# predict and embed: the same answer whatever the file's form or the threads, the network's own head, what is refused.
#   predict.sh PROGRAM
. "$(dirname "$0")/checks.bash"
"$program" data export world:train --count 100 --out "$work/train" >/dev/null || exit 1   # a folder: its classes have names
"$program" data export world:test --count 40 --out "$work/tx.npy,$work/ty.npy" >/dev/null || exit 1
tiny=(-q --data "$work/train" --set image_size=32 --set model=resnet18 --set width=8 --set batch_size=20)
runs 0 "" train rotation "${tiny[@]}" --set epochs=1 --out "$work/rotation"
runs 0 "" train supervised "${tiny[@]}" --set epochs=20 --set learning_rate=0.02 --set crop_padding=0 --out "$work/supervised"
mapfile -t pictures < <(find "$work/train" -name '*.png' | sort)

# The head's own outputs, as probabilities.
for method in rotation supervised; do
  "$program" predict --json --checkpoint "$work/$method" "${pictures[@]}" >"$work/$method.json" || complain "predict, $method"
  "$program" predict --json --threads 3 --checkpoint "$work/$method" "${pictures[@]}" >"$work/again.json"
  cmp -s <(sed 's/"seconds":[^,]*//' "$work/$method.json") <(sed 's/"seconds":[^,]*//' "$work/again.json") ||
    complain "predict, $method: another answer with 3 threads"
done
"$program" data info world --json >"$work/world.json"
python3 - "$work" <<'P' || complain "predict --json: not the documented object"
import json, pathlib, sys
work = pathlib.Path(sys.argv[1])
classes = json.loads((work / "world.json").read_text())["classes"]
for method, outputs in ("rotation", ["0", "90", "180", "270"]), ("supervised", classes):
    rows = json.loads((work / f"{method}.json").read_text())["results"]
    assert len(rows) == 100, len(rows)
    right = 0
    for row in rows:
        p = row["probabilities"]
        assert sorted(p) == sorted(outputs), (method, list(p))
        assert abs(sum(p.values()) - 1) < 1e-5 and row["predicted"] == max(p, key=p.get), row
        right += row["predicted"] == pathlib.Path(row["image"]).parent.name
    # These are the pictures it learned from (84 of them right as this was written); a head whose classes stood in
    # another order would be at chance, 10 of 100.
    assert method == "rotation" or right >= 50, right
P

runs 0 "$(basename "${pictures[0]}")" predict --checkpoint "$work/supervised" --top 1 "${pictures[0]}"
runs 3 "none.png" predict --checkpoint "$work/supervised" "$work/none.png"
head -c 50 "${pictures[0]}" >"$work/cut.png"
runs 3 "cut.png" predict --checkpoint "$work/supervised" "$work/cut.png"
runs 2 "" predict --checkpoint "$work/supervised"
runs 6 "config.toml" predict --checkpoint "$work/rotation/config.toml" "${pictures[0]}"

# embed: three forms of one matrix.
for form in npy csv safetensors; do
  runs 0 "40 pictures" embed --checkpoint "$work/rotation" --data "$work/tx.npy,$work/ty.npy" --block layer2 --grid 2 --out "$work/f.$form"
done
python3 - "$work" <<'P' || complain "embed: the three forms differ"
import csv, json, pathlib, struct, sys
work = pathlib.Path(sys.argv[1])
raw = (work / "f.npy").read_bytes()
head = struct.unpack("<H", raw[8:10])[0]
assert b"(40,64,)" in raw[:10 + head], raw[:10 + head]
matrix = raw[10 + head:]
tensors = (work / "f.safetensors").read_bytes()
size = struct.unpack("<Q", tensors[:8])[0]
header = json.loads(tensors[8:8 + size])
begin, end = header["features"]["data_offsets"]
assert header["features"]["shape"] == [40, 64] and tensors[8 + size + begin:8 + size + end] == matrix
rows = list(csv.reader(open(work / "f.csv")))
assert rows[0] == ["name", "class"] + [f"f{i}" for i in range(64)], rows[0]
numbers = [float(v) for row in rows[1:] for v in row[2:]]
assert struct.pack(f"<{len(numbers)}f", *numbers) == matrix
P
runs 2 ".npy, .csv or .safetensors" embed --checkpoint "$work/rotation" --data "$work/tx.npy" --out "$work/f.txt"
runs 2 "one of stem layer1 layer2 layer3 layer4 features" embed --checkpoint "$work/rotation" --data "$work/tx.npy" --block layr2 --out "$work/none.npy"
# What is there stays: without --overwrite, and where the disk does not take the new one.
before=$(md5sum <"$work/f.npy")
runs 2 "f.npy: is there already" embed --checkpoint "$work/rotation" --data "$work/tx.npy" --out "$work/f.npy"
(trap '' XFSZ; ulimit -f 4   # as a full disk: writing ends with an error
 runs 1 "what was there before is unchanged" embed --checkpoint "$work/rotation" --data "$work/tx.npy" --overwrite --out "$work/f.npy"; exit $bad) || bad=1
[[ $before == $(md5sum <"$work/f.npy") ]] || complain "embed: a refused or failed call changed the file"
runs 0 "40 pictures" embed --checkpoint "$work/rotation" --data "$work/tx.npy" --overwrite --out "$work/f.npy"
[[ $before != $(md5sum <"$work/f.npy") ]] || complain "embed --overwrite: nothing was written"
exit $bad
