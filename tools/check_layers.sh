#!/usr/bin/env bash
# The layer rule: kernels <- engine <- models, train, ttt <- tools. A file includes only its own layer and those before
# it. And the house rules a script can see: no file over 500 lines, third-party headers only where they are allowed.
set -uo pipefail
cd "$(dirname "$0")/.."
bad=0
complain() { echo "check_layers: $1"; bad=1; }

allowed() {   # the layers a layer may include
  case $1 in
    kernels) echo "kernels" ;;
    engine) echo "kernels engine" ;;
    models) echo "kernels engine models" ;;
    train) echo "kernels engine models train" ;;
    ttt) echo "kernels engine models train ttt" ;;
    tools|bench|examples) echo "kernels engine models train ttt tools bench" ;;
  esac
}
for layer in kernels engine models train ttt tools bench examples; do
  [[ -d $layer ]] || continue
  may=" $(allowed "$layer") "
  while IFS=: read -r file line text; do
    target=$(sed -E 's/.*"([a-z]+)\/.*/\1/' <<<"$text")
    [[ $may == *" $target "* ]] || complain "$file:$line: $layer may not include $target"
  done < <(grep -rnE '^#include "(kernels|engine|models|train|ttt|tools|tests|bench)/' "$layer" --include='*.h' --include='*.cpp' --include='*.cu' | grep -v '"tests/emulator/')
done
# kernels and engine know the standard library, Highway and (kernels) the CUDA toolkit.
while IFS= read -r hit; do complain "$hit: third-party code stops above the engine"; done < \
  <(grep -rnE '#include <(fmt|nlohmann|toml|CLI|cairo|png|jpeglib|xxhash|stb)' kernels engine)
if files=$(git ls-files '*.h' '*.cpp' '*.cu' '*.py' '*.sh') && [[ -n $files ]]; then
  while IFS= read -r row; do complain "$row lines: split by family"; done < \
    <(xargs -d '\n' wc -l <<<"$files" | awk '$1 > 500 && $2 != "total" {print $2 ": " $1}')
else
  complain "git ls-files names no files: nothing was checked for length"
fi
exit $bad
