#!/usr/bin/env bash
# Every C++ and CUDA file as .clang-format says (clang-format 14).   tools/check_format.sh [--fix]
set -uo pipefail
cd "$(dirname "$0")/.."
format=$(command -v clang-format-14 || command -v clang-format) || { echo "SKIPPED: check_format: no clang-format" ; exit 77; }
[[ $("$format" --version) == *"version 14."* ]] || { echo "SKIPPED: check_format: needs clang-format 14" ; exit 77; }
if [[ ${1:-} == --fix ]]; then git ls-files '*.h' '*.cpp' '*.cu' | xargs "$format" -i
else git ls-files '*.h' '*.cpp' '*.cu' | xargs "$format" --dry-run --Werror
fi
