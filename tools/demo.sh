#!/usr/bin/env bash
# The first command of the README: installs what is needed, builds, and runs the main job to a result that can be looked at.
#   tools/demo.sh [arguments of `autodidact demo`]
set -euo pipefail
cd "$(dirname "$0")/.."
tools/install-deps.sh
cmake --preset release -DTESTS=OFF >/dev/null
cmake --build --preset release
exec build/release/autodidact demo "$@"
