# What every script here begins with: `. "$(dirname "$0")/checks.bash"`. It takes the program from the first argument,
# gives a folder of its own that goes away, and two ways to fail; a script ends with `exit $bad`.
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
