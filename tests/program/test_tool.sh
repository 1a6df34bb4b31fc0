#!/usr/bin/env bash
# tools/test.sh refuses parts that it does not know.   test_tool.sh PROGRAM
. "$(dirname "$0")/checks.bash"
for words in relase "house relase" ""; do
  bash "$(dirname "$0")/../../tools/test.sh" "$words" >"$work/out" 2>&1; status=$?
  [[ $status -eq 2 ]] || complain "tools/test.sh '$words': exit code $status: $(cat "$work/out")"
  grep -qF "the parts are house release scripts" "$work/out" || complain "tools/test.sh '$words': $(cat "$work/out")"
done
exit $bad
