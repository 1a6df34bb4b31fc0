#!/usr/bin/env bash
# The demo at its shortest: what it prints is what it wrote, its pictures are there, a second one keeps the first.
#   demo.sh PROGRAM
. "$(dirname "$0")/checks.bash"
cd "$work" || exit 1

"$program" demo --minutes 2 --json -q >out 2>err || { complain "exit code $?"; cat err; }
python3 - <<'P' || complain "--json: not what the run directory holds"
import json, pathlib
o = json.loads(pathlib.Path("out").read_text())
run = pathlib.Path(o["run"])
assert o == json.loads((run / "summary.json").read_text()), "summary.json"
assert o["run"] == "runs/demo" and o["seed"] == 1, o
assert abs(o["linear_gain"] - (o["linear"] - o["linear_untrained"])) < 1e-6
for key in ("rotation_accuracy", "linear", "linear_untrained", "knn", "knn_untrained"):
    assert 0 < o[key] < 1, (key, o[key])
# Three epochs are little: 0.348 and 0.554 on AVX-512; chance would be 0.25 and 0.1.
assert o["rotation_accuracy"] > 0.3 and o["linear"] > 0.4, o
for key in ("finetuned", "from_scratch", "few_labels", "few_labels_untrained"):
    assert [p["per_class"] for p in o[key]] == [5, 20, 100], o[key]
text = (run / "summary.txt").read_text()
assert f"{100 * o['linear']:.1f} %" in text and f"{100 * o['knn']:.1f} %" in text, text
a = o["adapting"]
assert len(a["results"]) == 4 and abs(a["error"] - a["error_none"] - a["difference"]) < 1e-6, a
# 0.785 and 0.649 on AVX-512.
assert 0.6 < a["accuracy"] < 1 and 0.5 < a["rotation_accuracy"] < 1, a
assert f"{a['error_none']:.1f}%" in text and f"{a['error']:.1f}%" in text, text
assert len(o["pictures"]) >= 7
for picture in o["pictures"]:
    assert picture in text and pathlib.Path(picture).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n", picture
P
"$program" inspect runs/demo/rotation >/dev/null || complain "its network is no checkpoint"
"$program" demo --out runs/demo >out 2>err; status=$?
[[ $status -eq 2 ]] && grep -qF "runs/demo" err || { complain "a second demo in one directory: exit code $status"; cat err; }

# Another one finds a name of its own, and an interrupt ends it with what it had.
"$program" demo --minutes 60 >out 2>err &
pid=$!
for _ in $(seq 600); do [[ ! -s runs/demo-2/rotation/metrics.jsonl ]] || break; sleep 0.1; done
kill -INT $pid; wait $pid; status=$?
[[ $status -eq 130 ]] || { complain "SIGINT: exit code $status"; cat err; }
"$program" inspect runs/demo-2/rotation >/dev/null || complain "SIGINT: no checkpoint"
[[ ! -s out ]] || complain "SIGINT: printed a result"
exit $bad
