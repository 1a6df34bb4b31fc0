#!/usr/bin/env bash
# The compiler of a configured build folder reads sources without making code of them: warnings of a second compiler for what
# that build's tests do not run.   check_syntax.sh BUILD FOLDER
set -euo pipefail
cd "$(dirname "$0")/.."
ninja -C "$1" -t compdb | python3 -c '
import json, re, sys
for entry in json.load(sys.stdin):
    command = entry["command"]
    if "/" + sys.argv[1] + "/" in entry["file"] and " -c " in command:
        print(re.sub(r" -o \S+", "", command) + " -fsyntax-only")
' "$2" | sort -u | (cd "$1" && xargs -d '\n' -P "$(nproc)" -I{} bash -c '{} || exit 255')
