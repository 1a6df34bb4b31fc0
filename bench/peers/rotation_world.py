"""Learning parity: a rotation recipe of train/recipes in PyTorch (the same network, schedule and
augmentation on the same pictures, random numbers of its own), then the same linear probe.

    autodidact data export world:train --count 10000 --out train-x.npy,train-y.npy
    autodidact data export world:test --out test-x.npy,test-y.npy
    rotation_world.py --train train-x.npy,train-y.npy --test test-x.npy,test-y.npy [--seeds 1,2,3]

A line a seed: rotation accuracy on all four turns of every test picture, and the probe of the block
that held-out training pictures choose. The last line is the means. Ours: `autodidact train rotation
--recipe rotation-world-quick --set seed=1` and `autodidact evaluate linear`."""

import argparse
import math
import pathlib
import statistics
import tomllib

import numpy
import torch
from torch.nn import functional

import networks

RECIPES = pathlib.Path(__file__).resolve().parents[2] / "train" / "recipes"
MEANS = {"half": ([0.5] * 3, [0.5] * 3),
         "cifar10": ([125.3 / 255, 123.0 / 255, 113.9 / 255], [63.0 / 255, 62.1 / 255, 66.7 / 255])}
RATES = [0.1, 0.03, 0.01, 0.003, 0.001, 0.0003]  # of the probe: train/evaluate/linear.h


def load(pair):
    x, y = pair.split(",")
    pictures = torch.from_numpy(numpy.load(x)).permute(0, 3, 1, 2).contiguous()  # u8 [N, 3, S, S]
    return pictures, torch.from_numpy(numpy.load(y)).long()


def augmented(pictures, recipe):
    """Padded crop, then flip, each picture by its own draw."""
    pad, (n, _, side, _) = recipe.get("crop_padding", 4), pictures.shape
    padded = functional.pad(pictures, (pad,) * 4)
    rows = torch.randint(0, 2 * pad + 1, (n, 1)) + torch.arange(side)
    columns = torch.randint(0, 2 * pad + 1, (n, 1)) + torch.arange(side)
    if recipe.get("flip", True):
        columns = torch.where(torch.rand(n, 1) < 0.5, columns.flip(1), columns)
    return padded[torch.arange(n)[:, None, None], :, rows[:, :, None],
                  columns[:, None, :]].permute(0, 3, 1, 2)


def turned(pictures, turns):
    """Each picture by its own number of quarter turns, counter-clockwise."""
    out = torch.empty_like(pictures)
    for t in range(4):
        out[turns == t] = torch.rot90(pictures[turns == t], t, (2, 3))
    return out


def normalised(pictures, recipe):
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in MEANS[recipe.get("normalization", "half")])
    return ((pictures.float() / 255 - mean) / std).contiguous(memory_format=torch.channels_last)


def learning_rate(recipe, step, steps_an_epoch):
    base, total = recipe["learning_rate"], recipe["epochs"] * steps_an_epoch
    warmup = round(recipe.get("warmup_epochs", 0) * steps_an_epoch)
    if step < warmup:
        return base * (step + 1) / warmup
    return base * (1 + math.cos(math.pi * (step - warmup) / (total - warmup))) / 2


def train(recipe, pictures, seed):
    torch.manual_seed(seed)
    net = networks.build(recipe["model"], recipe.get("width", 0), 4, groups=recipe.get("groups", 8))
    net.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(net.parameters(), 0.1, recipe["momentum"],
                                nesterov=recipe["nesterov"], weight_decay=recipe["weight_decay"])
    batch = recipe["batch_size"]
    steps_an_epoch = len(pictures) // batch
    for step in range(recipe["epochs"] * steps_an_epoch):
        if step % steps_an_epoch == 0:
            order = torch.randperm(len(pictures))
        place = step % steps_an_epoch * batch
        upright = augmented(pictures[order[place:place + batch]], recipe)
        if recipe.get("rotations", "random") == "all":
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
            grid = min(4, y.shape[2])
            while grid > 1 and grid * grid * y.shape[1] > 4096:
                grid -= 1
            blocks.append(functional.adaptive_avg_pool2d(y, grid).flatten(1))
        rows.append(blocks)
    return [torch.cat(column) for column in zip(*rows)]


def probe(kept, kept_labels, held, held_labels, unseen, unseen_labels, seed):
    """Returns the accuracy on held-out pictures and on test pictures, at the rate that held-out
    pictures choose. The classifiers of all rates train side by side."""
    mean, variance = kept.mean(0), kept.var(0, unbiased=False)
    scale = torch.rsqrt(variance + 1e-4 * variance.mean())
    kept, held, unseen = ((x - mean) * scale for x in (kept, held, unseen))
    classes, generator = int(kept_labels.max()) + 1, torch.Generator().manual_seed(seed)
    weight = torch.zeros(len(RATES), kept.shape[1], classes)
    bias = torch.zeros(len(RATES), 1, classes)
    slots = [(w, torch.zeros_like(w)) for w in (weight, bias)]
    steps_an_epoch = math.ceil(len(kept) / 256)
    epochs = max(30, math.ceil(500 / steps_an_epoch))
    for step in range(epochs * steps_an_epoch):
        if step % steps_an_epoch == 0:
            order = torch.randperm(len(kept), generator=generator)
        rows = order[step % steps_an_epoch * 256:][:256]
        x = kept[rows]
        target = functional.one_hot(kept_labels[rows], classes)
        error = (torch.softmax(x @ weight + bias, 2) - target) / len(rows)
        decay = (1 + math.cos(math.pi * step / (epochs * steps_an_epoch))) / 2
        rate = torch.tensor(RATES).view(-1, 1, 1) * decay
        for (w, velocity), gradient in zip(slots, (x.T @ error, error.sum(1, keepdim=True))):
            velocity.mul_(0.9).add_(gradient)
            w.sub_(rate * velocity)

    def accuracies(x, labels):
        return ((x @ weight + bias).argmax(2) == labels).float().mean(1)

    best = accuracies(held, held_labels).argmax()
    return (accuracies(held, held_labels)[best].item(),
            accuracies(unseen, unseen_labels)[best].item())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--train", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--recipe", default="rotation-world-quick")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--epochs", type=int)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    recipe = tomllib.loads((RECIPES / f"{given.recipe}.toml").read_text())
    if given.epochs:
        recipe["epochs"] = given.epochs
    pictures, labels = load(given.train)
    test_pictures, test_labels = load(given.test)
    count = recipe.get("train_size", 0) or len(pictures)
    pictures, labels = pictures[:count], labels[:count]
    rotations, probes = [], []
    for seed in map(int, given.seeds.split(",")):
        net = train(recipe, pictures, seed)
        rotations.append(100 * rotation_accuracy(net, test_pictures, recipe))
        order = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(seed))
        held = min(5000, (len(pictures) + 5) // 10)
        names = ("stem", "layer1", "layer2", "layer3")  # ResNet-26
        rows = []
        for name, x, unseen in zip(names, features(net, pictures, recipe),
                                   features(net, test_pictures, recipe)):
            rows.append(probe(x[order[held:]], labels[order[held:]], x[order[:held]],
                              labels[order[:held]], unseen, test_labels, seed) + (name,))
        _, test, block = max(rows)
        probes.append(100 * test)
        print(f"seed {seed}: rotation {rotations[-1]:.1f} %, probe {probes[-1]:.1f} % ({block}); "
              + ", ".join(f"{name} {100 * t:.1f}" for _, t, name in rows), flush=True)
    print(f"mean of {len(probes)}: rotation {statistics.mean(rotations):.1f} %, "
          f"probe {statistics.mean(probes):.1f} %")


if __name__ == "__main__":
    main()
