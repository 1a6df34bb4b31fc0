"""Learning parity: a rotation recipe of train/recipes in PyTorch (the same network, schedule and
augmentation on the same pictures, random numbers of its own), then the same linear probe.

    rotation_world.py --train X.npy,Y.npy --test X.npy,Y.npy --seed N [--recipe NAME] --out F.json

The pictures are those of `autodidact data export`. The object that is written has the keys of
`autodidact evaluate linear --json` that matter here, and the accuracy on all four turns of every
test picture as `rotation`. rotation_world.sh runs both sides and prints the table."""

import time

import torch
from torch.nn import functional

import networks
from probe import probe
from recipe import arguments, learning_rate, load, normalised, read_recipe, write

# The keys' defaults are those of train/classification.h.
KEYS = {"rotations": "random", "crop_padding": 4, "flip": True}
FIXED = {"label_smoothing": 0.0, "labels_per_class": 0}  # what train() does, and no more


def augmented(pictures, recipe):
    """u8 [N, 3, S, S]: padded crop, then flip, each picture by its own draw. The border is black,
    which is -mean / std once it is normalised."""
    pad, (n, _, side, _) = recipe["crop_padding"], pictures.shape
    padded = functional.pad(pictures, (pad,) * 4)
    rows = torch.randint(0, 2 * pad + 1, (n, 1)) + torch.arange(side)
    columns = torch.randint(0, 2 * pad + 1, (n, 1)) + torch.arange(side)
    if recipe["flip"]:
        columns = torch.where(torch.rand(n, 1) < 0.5, columns.flip(1), columns)
    return padded[torch.arange(n)[:, None, None], :, rows[:, :, None],
                  columns[:, None, :]].permute(0, 3, 1, 2)


def turned(pictures, turns):
    """Each picture by its own number of quarter turns, counter-clockwise."""
    out = torch.empty_like(pictures)
    for t in range(4):
        out[turns == t] = torch.rot90(pictures[turns == t], t, (2, 3))
    return out


def train(recipe, pictures, seed):
    torch.manual_seed(seed)
    net = networks.build(recipe["model"], recipe["width"], 4, recipe["imagenet_stem"],
                         recipe["groups"])
    net.to(memory_format=torch.channels_last)
    # Weight decay on every parameter, norms and biases too: decay_scalars is true.
    optimizer = torch.optim.SGD(net.parameters(), 0.1, recipe["momentum"],
                                nesterov=recipe["nesterov"], weight_decay=recipe["weight_decay"])
    batch = min(recipe["batch_size"], len(pictures))
    steps_an_epoch = len(pictures) // batch  # the last batch is left out where it is not full
    for step in range(recipe["epochs"] * steps_an_epoch):
        if step % steps_an_epoch == 0:
            order = torch.randperm(len(pictures))
        place = step % steps_an_epoch * batch
        upright = augmented(pictures[order[place:place + batch]], recipe)
        if recipe["rotations"] == "all":
            turns = torch.arange(4).repeat(batch)
            upright = upright.repeat_interleave(4, 0)
        else:
            turns = torch.randint(0, 4, (batch,))
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, step, steps_an_epoch)
        optimizer.zero_grad()
        functional.cross_entropy(net(normalised(turned(upright, turns), recipe)), turns).backward()
        optimizer.step()
    return net.eval()


@torch.inference_mode()
def rotation_accuracy(net, pictures, recipe):
    right = 0
    for part in pictures.split(250):
        for t in range(4):
            logits = net(normalised(torch.rot90(part, t, (2, 3)), recipe))
            right += (logits.argmax(1) == t).sum().item()
    return right / (4 * len(pictures))


@torch.inference_mode()
def features(net, pictures, recipe):
    """One matrix a block: its maps averaged to at most 4x4 cells and 4,096 numbers."""
    rows = []
    for part in pictures.split(250):
        blocks = []
        for y in net.blocks(normalised(part, recipe)):
            grid = min(4, y.shape[2], y.shape[3])
            while grid > 1 and grid * grid * y.shape[1] > 4096:
                grid -= 1
            blocks.append(functional.adaptive_avg_pool2d(y, grid).flatten(1))
        rows.append(blocks)
    return [torch.cat(column) for column in zip(*rows)]


def main():
    parser = arguments("rotation-world-quick")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    recipe = read_recipe(given.recipe, KEYS, FIXED)
    recipe["epochs"] = given.epochs or recipe["epochs"]
    pictures, labels = load(given.train, given.size or recipe["train_size"])
    test_pictures, test_labels = load(given.test, given.size or recipe["test_size"])
    begin = time.monotonic()
    net = train(recipe, pictures, given.seed)
    rows = []
    blocks = zip(features(net, pictures, recipe), features(net, test_pictures, recipe))
    for i, (x, unseen) in enumerate(blocks):
        rows.append({"block": f"layer{i}" if i else "stem", "dims": x.shape[1],
                     **probe(x, labels, unseen, test_labels)})
    best = max(rows, key=lambda row: row["held_out_accuracy"])
    result = {"rotation": rotation_accuracy(net, test_pictures, recipe), "block": best["block"],
              "accuracy": best["accuracy"], "results": rows,
              "parameters": sum(p.numel() for p in net.parameters()),
              "seconds": time.monotonic() - begin}
    write(given.out, result)


if __name__ == "__main__":
    main()
