#!/usr/bin/env bash
# Seconds and memory that opening a folder of a million pictures takes (hard links to a few tiny ones, 1,000 classes).
#   bench/folder.sh PROGRAM [CLASSES]      1,000 pictures each; made below $TMPDIR, removed afterwards
set -euo pipefail
program=$(realpath "${1:?bench/folder.sh PROGRAM [CLASSES]}") classes=${2:-1000}
folder=$(mktemp -d); trap 'rm -rf "$folder"' EXIT
python3 - "$folder" "$classes" <<'PYTHON'
import os
import sys
folder, classes = sys.argv[1], int(sys.argv[2])
for c in range(classes):
    os.mkdir(f"{folder}/c{c:06d}")
    if c % 30 == 0:  # ext4 allows 65,000 links to a file
        picture = f"{folder}/.picture{c}"
        with open(picture, "wb") as f:
            f.write(b"P6 2 2 255\n" + bytes(12))
    for i in range(1000):
        os.link(picture, f"{folder}/c{c:06d}/image_{i:06d}.ppm")
PYTHON
for _ in 1 2 3; do
  /usr/bin/time -f "$((classes * 1000)) files: %e s, %U s in the program and %S s in the system, %M KB" "$program" data info "$folder" >/dev/null
done
