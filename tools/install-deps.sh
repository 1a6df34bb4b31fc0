#!/usr/bin/env bash
# Installs what the build needs, from Debian's packages (as root, or with sudo). Where all is there it does nothing; on
# another system it names what is missing.   tools/install-deps.sh [build|test]   (test adds what the tests need)
set -euo pipefail
build=(g++ cmake ninja-build pkg-config ccache libhwy-dev libcli11-dev libtomlplusplus-dev nlohmann-json3-dev libfmt-dev
       libxxhash-dev libjpeg-dev libpng-dev libstb-dev libcairo2-dev)
test=(doctest-dev libbenchmark-dev libboost-context-dev libdnnl-dev clang-format-14 binutils)
packages=("${build[@]}")
[[ ${1:-build} == test ]] && packages+=("${test[@]}")

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "This is not a Debian system. Install by its own means what these Debian packages hold:" >&2
  printf '  %s\n' "${packages[@]}" >&2
  exit 2
fi
missing=()
for package in "${packages[@]}"; do
  [[ $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) == *"ok installed"* ]] || missing+=("$package")
done
[[ ${#missing[@]} -eq 0 ]] && exit 0
echo "Installing ${missing[*]}" >&2
as_root=()
if [[ $(id -u) -ne 0 ]]; then
  command -v sudo >/dev/null || { echo "Needs root or sudo to install: ${missing[*]}" >&2; exit 2; }
  as_root=(sudo)
fi
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
