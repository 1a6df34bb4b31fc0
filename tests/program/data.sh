#!/usr/bin/env bash
# The data command end to end: what it prints, what it writes, its exit codes.   data.sh PROGRAM
. "$(dirname "$0")/checks.bash"

runs 0 "10 classes" data info world:test
runs 0 '"command":"data info"' data info world:test --json
runs 0 "5000 samples, 0 damaged" data check world:val
runs 3 "has the splits train, val, test and test2" data info world:best
runs 0 "200 samples written" data export world:train --count 200 --out "$work/x.npy,$work/y.npy"
runs 2 "is there already" data export world:train --count 200 --out "$work/x.npy"
runs 0 "200 samples written" data export world:train --count 200 --out "$work/x.npy" --overwrite
runs 0 "200" data info "$work/x.npy,$work/y.npy"
runs 0 "200 samples written" data export "$work/x.npy,$work/y.npy" --out "$work/folder"
runs 0 "200 samples, 0 damaged" data check "$work/folder"
# Overwritten: the old export goes, also its classes; what others put there stays.
cp -r "$work/folder" "$work/replaced"; mkdir "$work/replaced/mine"
cp "$(find "$work/folder" -name '*.png' | head -n 1)" "$work/replaced/mine/cat.png"
runs 2 "is there already" data export "$work/x.npy,$work/y.npy" --count 20 --out "$work/replaced"
runs 0 "20 samples written" data export "$work/x.npy" --count 20 --out "$work/replaced" --overwrite
[[ $(cd "$work/replaced" && find . -type f | wc -l) -eq 21 && -s $work/replaced/0000019.png && -s $work/replaced/mine/cat.png ]] ||
  complain "data export --overwrite: $(find "$work/replaced" | head -n 40)"
[[ $(find "$work/replaced" -mindepth 1 -type d | wc -l) -eq 1 ]] || complain "data export --overwrite: folders of old classes are left"
cp -r "$work/folder" "$work/itself"
runs 0 "200 samples written" data export "$work/itself" --out "$work/itself" --overwrite
pictures() { find "$1" -name '*.png' -exec md5sum {} + | cut -d ' ' -f 1 | sort; }
[[ $(pictures "$work/folder") == "$(pictures "$work/itself")" ]] || complain "data export onto itself: other pictures"
runs 0 "20 samples drawn" data show "$work/folder" --count 20 --out "$work/show.png"
runs 0 "20 samples drawn" data show world --count 20 --out "$work/show.svg"
[[ $(head -c 4 "$work/show.png" | tail -c 3) == PNG ]] || complain "show.png is no PNG"

# Bytes survive the way through arrays and PNG files.
runs 0 "200 samples" data export "$work/folder" --side 32 --out "$work/a.npy,$work/a_labels.npy"
runs 0 "200 samples" data export "$work/a.npy,$work/a_labels.npy" --out "$work/again"
runs 0 "200 samples" data export "$work/again" --side 32 --out "$work/b.npy,$work/b_labels.npy"
cmp -s "$work/a.npy" "$work/b.npy" || complain "exported pictures differ"
cmp -s "$work/a_labels.npy" "$work/b_labels.npy" || complain "exported labels differ"

# The same pictures as shards, made by tar; a shard that is cut short ends every command, with its name.
mkdir "$work/flat" "$work/shards"
for picture in "$work"/again/*/*.png; do
  class=$(basename "$(dirname "$picture")") name=${class}_$(basename "$picture" .png)
  cp "$picture" "$work/flat/$name.png"; echo "$class" >"$work/flat/$name.cls"
done
for class in 0 5; do (cd "$work/flat" && tar --sort=name --format=gnu -cf "$work/shards/$class.tar" $(ls | grep "^[$class-$((class + 4))]_")); done
runs 0 "200 samples" data export "shards:$work/shards" --side 32 --out "$work/c.npy,$work/c_labels.npy"
cmp -s "$work/a.npy" "$work/c.npy" || complain "pictures of shards differ from those of files"
cmp -s "$work/a_labels.npy" "$work/c_labels.npy" || complain "labels of shards differ from those of folders"
runs 3 "has no split 'test'" data info "shards:$work/shards:test"
runs 0 "2 shards in" data info "shards:$work/shards/{0,5}.tar"
runs 0 "1 shard in" data info "shards:$work/shards/{5..5}.tar"
runs 3 "shards/1.tar: this shard is missing" data info "shards:$work/shards/{0..5}.tar"
small=(train supervised --data "shards:$work/shards" --set image_size=32 --set model=resnet18 --set width=4 --set epochs=1 --set batch_size=40 -q)
for threads in 1 3; do runs 0 "" "${small[@]}" --threads $threads --out "$work/sharded-$threads"; done
cmp -s "$work"/sharded-[13]/checkpoints/step-*5.safetensors || complain "training on shards depends on the number of threads"
truncate -s 9000 "$work/shards/5.tar"
for command in "data info shards:$work/shards" "data check shards:$work/shards" "${small[*]} --out $work/none"; do
  runs 3 "shards/5.tar: this tar archive is cut short" $command
done

# Damaged files: named with their reason; within the cap the command passes, beyond it exit code 3.
first=$(find "$work/folder/0" -name '*.png' | sort | head -n 1)
head -c 60 "$first" >"$work/folder/0/cut.png"
runs 0 "cut.png: damaged PNG: data end early" data check "$work/folder"
: >"$work/folder/1/empty.jpg"
printf 'GIF89a' >"$work/folder/1/gif named.jpg"
printf 'no picture' >"$work/folder/2/new
line.png"
runs 3 "4 of 204 pictures are damaged" data check "$work/folder"
runs 3 'new\nline.png: is not an image' data check "$work/folder"
runs 0 "4 damaged" data check "$work/folder" --cap 0.05
runs 0 '"reason":' data check "$work/folder" --cap 0.05 --json

# An export that a damaged picture ends leaves the old one, and nothing of its own.
runs 3 "cut.png" data export "$work/folder" --out "$work/replaced" --overwrite
runs 3 "cut.png" data export "$work/folder" --out "$work/halfway"
[[ ! -e $work/halfway ]] || complain "data export: half a folder is left"
[[ -z $(find "$work/replaced" -name '.export*') ]] || complain "data export: a temporary folder is left"
runs 0 "samples, 0 damaged" data check "$work/replaced"

# Shown as a recipe sees them, and corrupted: without the damaged ones, which are named and counted.
runs 0 "200 samples drawn" data show "$work/folder" --count 204 --out "$work/show.png"
mkdir -p "$work/few/0"; cp "$first" "$work/folder/0/cut.png" "$work/few/0"
runs 0 "1 damaged pictures were left out" data show "$work/few" --side 32 --set flip=false --out "$work/shown.png"
grep -qF "1 samples drawn" "$work/out" || complain "data show of a recipe: $(cat "$work/out")"
runs 0 "4 damaged pictures were left out" corrupt --data "$work/folder" --corruption fog:1 --cap 0.05 --out "$work/foggy"
[[ $(find "$work/foggy" -name '*.png' | wc -l) -eq 200 ]] || complain "corrupt: not a picture of each that can be read"
runs 3 "4 of 204 pictures" corrupt --data "$work/folder" --corruption fog:1 --cap 0 --out "$work/none"
[[ ! -e $work/none ]] || complain "corrupt: half a folder is left"

runs 3 "no such file or folder" data info "$work/none"
runs 3 "holds no images" data info "$(mkdir "$work/empty" && echo "$work/empty")"
runs 3 "has no data_batch_1.bin" data info "cifar10:$work/empty"
runs 3 "is not an .npy file" data info "$(: >"$work/empty.npy" && echo "$work/empty.npy")"
runs 2 "unknown key crop_paddin; did you mean crop_padding?" data show world --set crop_paddin=2 --out "$work/no.png"
runs 2 "unknown key epochs" data show world --recipe rotation-world-quick --set epochs=2 --out "$work/no.png"
runs 0 "10 samples drawn" data show world --recipe rotation-world-quick --set crop_padding=2 --out "$work/set.png"
runs 2 "data needs a subcommand: info, check, show, export" data
runs 2 "data needs a subcommand: info, check, show, export; got shwo; did you mean show?" data shwo world
for seed in -3 99999999999999999999 4611686018427387905 1.5 x; do
  runs 2 "--seed: must be a whole number from 0 to 2^62, got $seed" data info world:val --seed $seed
done
runs 2 "SRC: must not be empty" data info ""
runs 2 "required" data show world
runs 2 ".png or .svg" data show world --out "$work/show.jpg"
runs 1 "none/show.png cannot be created" data show world --out "$work/none/show.png"
exit $bad
