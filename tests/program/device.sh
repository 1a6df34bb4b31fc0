#!/usr/bin/env bash
# --device on a machine without a GPU: what is promised in words and in exit codes, `doctor` included; and a driver that
# is there but of no use, played by a stub.
#   device.sh PROGRAM
. "$(dirname "$0")/checks.bash"
doctor=$("$program" doctor --json) || complain "doctor fails"
code=$(sed -E 's/.*"device_code":"([A-Z]*)".*/\1/' <<<"$doctor")   # -DCUDA=
if [[ $code == ON ]] && grep -q '"usable":true' <<<"$doctor"; then
  echo "SKIPPED: tests/program/device.sh: this machine has a GPU, where --device is used by other tests"; exit 77
fi
grep -q '"device":"cpu"' <<<"$doctor" || complain "doctor names another device than --device auto takes"

"$program" data export world:train --count 64 --out "$work/x.npy,$work/y.npy" >/dev/null || exit 1
train=(train supervised --data "$work/x.npy,$work/y.npy" --set model=resnet26 --set width=8 --set groups=4
       --set batch_size=32 --set epochs=1 --overwrite --out "$work/run" --json)
runs 0 '"device":"cpu"' "${train[@]}" -q
lines=0; [[ $code != ON ]] || lines=1   # a program built for GPUs says why it uses none
[[ $(wc -l <"$work/err") -eq $lines ]] || complain "--device auto without a GPU: not $lines lines of warning"
runs 0 '"device":"cpu"' "${train[@]}" -q --device cpu
runs 2 "--device: gpu not in" "${train[@]}" --device gpu
runs 5 "--device cuda: " "${train[@]}" --device cuda
for command in "embed --data $work/x.npy --out $work/f.npy" "evaluate knn --k 5" "predict $work/x.npy"; do
  runs 5 "--device cuda: " ${command%% *} $(cut -s -d' ' -f2- <<<"$command") --checkpoint "$work/run" --device cuda
done
if [[ $code == EMULATED ]]; then
  runs 5 "--device emulated runs the same kernels" "${train[@]}" --device cuda
  exit $bad
fi
runs 2 "needs a program built with -DCUDA=EMULATED" "${train[@]}" --device emulated

# A driver whose answers are those of the real one: a GPU that this program cannot use, or none.
command -v cc >/dev/null || { echo "SKIPPED: device.sh: a stub driver: no C compiler"; exit $bad; }
stub() {   # stub INIT COUNT VERSION
  printf 'int cuInit(unsigned f) { return %s; }\nint cuDeviceGetCount(int* n) { *n = %s; return 0; }
int cuDriverGetVersion(int* v) { *v = %s; return 0; }\n' "$@" >"$work/stub.c"
  cc -shared -fPIC -o "$work/libcuda.so.1" "$work/stub.c" || exit 1
}
export LD_LIBRARY_PATH=$work
stub 0 1 11040   # an old driver, a GPU
runs 0 "(driver: CUDA 11.4)" doctor
runs 0 '"device":"cpu"' "${train[@]}" -q
[[ $(grep -c "no GPU is used: " "$work/err") -eq 1 && $(wc -l <"$work/err") -eq 1 ]] ||
  complain "--device auto with an unusable GPU: not one line of warning"
old="-DCUDA=OFF"; [[ $code != ON ]] || old="the driver is for CUDA 11.4, this program for CUDA"
runs 5 "$old" "${train[@]}" --device cuda
stub 100 0 13000   # cuInit finds no device: CUDA_VISIBLE_DEVICES= hides them
none="the driver answers with error 100"; [[ $code != ON ]] || none="does CUDA_VISIBLE_DEVICES hide it?"
runs 0 "$none" doctor
runs 0 '"device":"cpu"' "${train[@]}" -q
[[ $(wc -l <"$work/err") -eq $lines ]] || complain "--device auto without a visible GPU: not $lines lines of warning"
runs 5 "$none" "${train[@]}" --device cuda
exit $bad
