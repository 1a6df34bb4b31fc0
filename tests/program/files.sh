#!/usr/bin/env bash
# Commands about the program and its files: doctor, recipes, inspect.   files.sh PROGRAM
. "$(dirname "$0")/checks.bash"

runs 0 "class " doctor
runs 0 '"command":"doctor"' doctor --json
AUTODIDACT_ISA=plain runs 0 "class      plain" doctor
AUTODIDACT_ISA=sse9 runs 2 "AUTODIDACT_ISA must be plain, avx2, avx512 or avx512_bf16, got sse9" doctor
runs 0 "rotation-world-quick" recipes
runs 0 '{"name":"rotation-cifar10","title":' recipes --json
runs 0 'model = "resnet18"' recipes rotation-world-quick
runs 2 "did you mean rotation-world-quick?" recipes rotation-world-quik
runs 2 "did you mean rotation-world-" recipes rotation-wrld
"$program" recipes rotation-world-quick >"$work/recipe.toml" 2>/dev/null
[[ $(head -c 12 "$work/recipe.toml") == "# Rotation o" ]] || complain "a printed recipe is not the recipe alone"

file() {   # file NAME JSON DATA: a safetensors file
  printf "%b%s%s" "\\x$(printf %02x "${#2}")\\0\\0\\0\\0\\0\\0\\0" "$2" "$3" >"$work/$1"
}
file good '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}' abcd
runs 0 "1 tensors, 1 parameters, 4 bytes" inspect "$work/good"
runs 0 '"verified":false' inspect "$work/good" --json
file esc '{"__metadata__":{"x":"\u001b[31m"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}' abcd
runs 0 '\u001b[31m' inspect "$work/esc"
file hole '{"a":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}}' abcde
runs 6 "a hole between tensors" inspect "$work/hole"
head -c 50 "$work/good" >"$work/cut"
runs 6 "ends inside its header: 42 bytes of 54" inspect "$work/cut"
printf '\377\377\377\377\0\0\0\0{}' >"$work/long"
runs 6 "a header of 4294967295 bytes" inspect "$work/long"
mkfifo "$work/pipe"   # refused at once, not waited for
timeout 10 "$program" inspect "$work/pipe" >/dev/null 2>"$work/err"; [[ $? -eq 3 ]] && grep -qF "pipe: is not a regular file" "$work/err" ||
  complain "inspect of a named pipe: $(cat "$work/err")"
: >"$work/empty"
runs 6 "too short" inspect "$work/empty"
runs 2 "-v" doctor -v   # it would do nothing there
file wordy '{"__metadata__":{"x":"'"$(printf 'long %.0s' $(seq 30))"'"},"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}' ""
runs 0 "150 bytes (-v shows them)" inspect "$work/wordy"
runs 0 "long long long" inspect -v "$work/wordy"
printf 'PK\3\4xxxxxxxxxxxx' >"$work/x.pth"
runs 2 "never read" inspect "$work/x.pth"
runs 3 "No such file" inspect "$work/none"
runs 3 "holds no checkpoint" inspect "$work"
runs 2 "required" inspect
runs 2 "must end in .safetensors" export --checkpoint "$work" --out "$work/x.onnx"
runs 2 "" inspect "$work/good" --jsn
"$program" doctor --json 2>/dev/null >/dev/full; [[ $? -eq 1 ]] || complain "results that cannot be written: exit code 1 expected"

# Help: what it is, examples, then usage; of every command and its subcommands.
commands() { "$program" "$@" --help | sed -n '/^Subcommands:/,$s/^  \([a-z-][a-z-]*\) .*/\1/p'; }
explained() {
  "$program" "$@" --help >"$work/out" 2>&1 || complain "$* --help: exit code $?"
  [[ $(grep -nE '^(Example|Usage)' "$work/out" | head -1) =~ ^[23]:Example ]] || { complain "$* --help does not start with examples"; cat "$work/out"; }
  [[ $(grep -c '^Example' "$work/out") -eq 1 ]] || complain "$* --help: examples twice"
}
explained
[[ $(commands | wc -l) -ge 12 ]] || complain "--help lists $(commands | wc -l) commands"
for command in $(commands); do
  explained "$command"
  for sub in $(commands "$command"); do explained "$command" "$sub"; done
done

# What is not there: named, with the nearest.
"$program" >/dev/null 2>"$work/err"; [[ $? -eq 2 ]] && grep -qF "needs a subcommand: adapt, bench" "$work/err" || complain "no command: $(cat "$work/err")"
runs 2 "got nonsense" nonsense
runs 2 "did you mean evaluate?" evalute linear
runs 2 "evaluate needs a subcommand: linear, knn, few-labels, finetune; got segment" evaluate segment
runs 2 "METHOD: must not be empty" train ""
exit $bad
