# What every script here begins with: `. "$(dirname "$0")/checks.bash"`. It takes the program from the first argument,
# gives a folder of its own that goes away, two ways to fail, and what two runs are compared by; a script ends with `exit $bad`.
set -uo pipefail
program=$(realpath "$1")
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
bad=0
complain() { echo "$(basename "$0"): $1"; bad=1; }
runs() {   # runs CODE TEXT ARGUMENTS...: the exit code, and TEXT in what was printed
  local code=$1 text=$2; shift 2
  "$program" "$@" >"$work/out" 2>"$work/err"; local status=$?
  [[ $status -eq $code ]] || { complain "$*: exit code $status, expected $code"; cat "$work/err"; }
  grep -aqF -- "$text" "$work/out" "$work/err" || { complain "$*: printed no '$text'"; cat "$work/out" "$work/err"; }
}
last() { echo "$1/checkpoints/$(cat "$1/checkpoints/last")"; }   # of a run: its newest checkpoint
without_time() { sed -E 's/, "seconds": [^,}]*//' "$1/metrics.jsonl"; }   # of a run: what does not depend on the clock
