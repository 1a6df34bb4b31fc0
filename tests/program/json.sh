#!/usr/bin/env bash
# --json: one object on one line that begins with the keys of docs/json.md, for every command.   json.sh PROGRAM
. "$(dirname "$0")/checks.bash"
# object SEED DEVICE KEYS ARGUMENTS...: the first five keys, and those named (comma-separated)
object() {
  local seed=$1 device=$2 keys=$3; shift 3
  "$program" "$@" --json >"$work/out" 2>"$work/err" || complain "$*: exit code $?: $(cat "$work/err")"
  [[ $(wc -l <"$work/out") -eq 1 ]] || complain "$*: not one line"
  local command; command=$1; [[ $1 != data ]] || command="data $2"
  grep -qE "^\{\"command\":\"$command\",\"seed\":$seed,\"seconds\":[0-9.e+-]+,\"device\":$device,\"protocol\":(null|\")" "$work/out" ||
    complain "$*: begins with $(head -c 200 "$work/out")"
  for key in ${keys//,/ }; do grep -q "\"$key\":" "$work/out" || complain "$*: lacks $key"; done
}
"$program" data export world:train --count 100 --out "$work/x.npy,$work/y.npy" >/dev/null || exit 1
train=(train supervised -q --data "$work/x.npy,$work/y.npy" --set model=resnet26 --set width=8 --set groups=4 --set epochs=1
       --set batch_size=32 --seed 7)
object null null recipes recipes
object null null name,toml recipes rotation-world-quick
object null '"(cpu|cuda)"' version,cpu,gpu,libraries doctor
object 0 '"cpu"' source,samples,splits,classes data info "$work/x.npy,$work/y.npy"
object 0 '"cpu"' samples,damaged,cap data check "$work/x.npy"
object 3 '"cpu"' picture,shown data show world --count 5 --seed 3 --out "$work/show.png"
object 0 '"cpu"' samples,files data export world --count 20 --out "$work/few.npy"
object 7 '"cpu"' dry_run,method,parameters,steps,peak_bytes,seconds_per_epoch "${train[@]}" --dry-run
object 7 '"cpu"' method,run,steps,training_seconds,images_per_second,peak_bytes,loss,accuracy "${train[@]}" --out "$work/run"
object null null file,verified,metadata,parameters,bytes,tensors inspect "$work/run"
object 7 '"cpu"' out,pictures,dims,block embed --checkpoint "$work/run" --data "$work/x.npy" --out "$work/f.npy"
"$program" data export world:test --count 10 --out "$work/folder" >/dev/null
object 7 '"cpu"' results predict --checkpoint "$work/run" "$(find "$work/folder" -name '*.png' | head -1)"
"$program" data export world:test --count 20 --out "$work/tx.npy,$work/ty.npy" >/dev/null
object 7 '"cpu"' what,subject,data,accuracy,block evaluate knn --checkpoint "$work/run" --test "$work/tx.npy,$work/ty.npy" --k 5 -q
object 7 '"cpu"' what,subject,data,accuracy,finetune,scratch,scratch_protocol evaluate finetune --checkpoint "$work/run" -q --labels 1 \
  --test "$work/tx.npy,$work/ty.npy" --images 32 --out "$work/tuned"
object null null out,part,tensors,parameters export --checkpoint "$work/run" --out "$work/w.safetensors"
object null null out,model,tensors,parameters import "$work/w.safetensors" --model resnet26 --set width=8 --set groups=4 \
  --image-size 32 --out "$work/c.safetensors"
exit $bad
