#!/usr/bin/env bash
# autodidact bench: the table of kernels, what is refused, the keys of --json.   bench.sh PROGRAM
. "$(dirname "$0")/checks.bash"

runs 0 "B=1,M=1024,N=1024,K=1024,TA=0,TB=0" bench --list
runs 2 "did you mean gemm?" bench gem
runs 2 "did you mean layernorm?" bench layernrom --shape B=1
runs 2 "did you mean K?" bench gemm --shape KK=3
runs 2 "K must be a number from 1 on, got '3x'" bench gemm --shape K=3x
runs 2 "K must be a number from 1 on, got ''" bench gemm --shape K
runs 2 "TA must be 0 or 1, got '2'" bench gemm --shape TA=2
runs 2 "take 2 GiB or more" bench gemm --shape M=99999,N=99999
runs 2 "kernel R must be odd" bench conv_data --shape R=2
runs 2 "multiple of the groups" bench groupnorm --shape C=9
runs 2 "at most 16" bench max_pool --shape R=17
runs 2 "name it" bench --shape K=3
runs 2 "f32 alone" bench adamw --dtype bf16
runs 2 "another kernel of the same sizes as unshuffle (" bench unshuffle --against gemm
runs 2 "there is none, got relu" bench draw_mask --dtype f32 --against relu
runs 2 "name it" bench --against relu
runs 0 "times as fast as unshuffle_chain" bench unshuffle --against unshuffle_chain --shape N=2,T=8,KEPT=2,C=4 --seconds 0.001
runs 0 "protocol: wall time" bench gemm --shape M=33,N=17,K=65,TA=1,TB=1 --seconds 0.001

# Every kernel runs at its smallest shape in either type, and says so in one object.
cat >"$work/check.py" <<'P'
import json, sys
o = json.load(open(sys.argv[1]))
assert o["command"] == "bench" and o["device"] == "cpu" and o["seed"] == 1 and o["protocol"], o
assert o["seconds"] > 0 and o["ceilings"]["fma_flops"] > 0 and o["ceilings"]["stream_bytes_per_second"] > 0, o
(row,) = o["results"]
assert row["kernel"] == sys.argv[2] and row["dtype"] == sys.argv[3] and row["bytes"] > 0, row
assert set(row["shape"].values()) <= {0, 1}, row
assert row["ceiling"] in ("fma", "stream") and row["warm_seconds"] > 0 and row["cold_seconds"] > 0, row
for which in ("warm", "cold"):
    peak = o["ceilings"]["fma_flops" if row["ceiling"] == "fma" else "stream_bytes_per_second"]
    work = row["flop" if row["ceiling"] == "fma" else "bytes"]
    assert abs(row[f"{which}_share"] * row[f"{which}_seconds"] - work / peak) <= 1e-9, (which, row)
P
"$program" bench --list --json >"$work/list" || complain "bench --list --json failed"
python3 - "$work/list" >"$work/kernels" <<'P' || complain "bench --list --json: not the documented object"
import json, sys
for k in json.load(open(sys.argv[1]))["kernels"]:
    assert k["what"], k
    smallest = {"TA": 0, "TB": 0, "P": 0}
    print(k["name"], ",".join(f"{key}={smallest.get(key, 1)}" for key in k["shape"]), *k["dtypes"])
P
[[ $(wc -l <"$work/kernels") -ge 25 ]] || complain "fewer kernels than the library has"
# The ceilings are measured by every call: one kernel of each family here, all of them in one call below.
for name in gemm conv_weights batchnorm_backward groupnorm cross_entropy infonce max_pool_backward augment_all_turns adamw; do
  read -r _ shape types < <(grep "^$name " "$work/kernels")
  for dtype in $types; do
    "$program" bench "$name" --shape "$shape" --dtype "$dtype" --seconds 0.001 --json >"$work/out" 2>"$work/err" &&
      python3 "$work/check.py" "$work/out" "$name" "$dtype" ||
      { complain "bench $name $shape $dtype"; cat "$work/err" "$work/out"; }
  done
done
exit $bad
