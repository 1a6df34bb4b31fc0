"""Writes what PyTorch computes for test-time training in standard mode: the weights of a Y-shaped ResNet-26 after 1, 3
and 10 steps of SGD on 32 views of one picture, and the losses before them, for tests/train/test_parity_ttt.cpp.

    adaptation.py golden DIR   a narrow network, a sample of each tensor: committed as tests/parity/golden/ttt
    adaptation.py full DIR     the paper's width at 32 pixels, every number

The views are drawn here anew: Philox 4x32-10 (Salmon et al., SC 2011) keyed as kernels/augment.h says. Weights are those
of vectors.py. The steps are taken in f64: ours are compared with what is right, not with another rounding."""

import copy
import pathlib
import sys

import numpy
import torch
from safetensors.numpy import save_file

import vectors
from vectors import networks

COPIES, STEPS, RATE, SEED, KEY, AUGMENT = 32, (1, 3, 10), 2**-10, 1, 5, 3  # AUGMENT: Stream of engine/random.h


class Branch(torch.nn.Module):
    def __init__(self, net):
        super().__init__()
        self.layer3, self.bn = copy.deepcopy(net.layer3), copy.deepcopy(net.bn)
        self.fc = torch.nn.Linear(net.fc.in_features, 4)


class YNetwork(networks.ResNet26):
    """Sun et al. 2020, figure 1: the tasks share conv1, layer1 and layer2."""

    def __init__(self, width):
        super().__init__(width, 8, vectors.CLASSES)
        self.head = Branch(self)

    def turns(self, x):
        x = self.head.layer3(self.layer2(self.layer1(self.conv1(x))))
        return self.head.fc(self.relu(self.head.bn(x)).mean((2, 3)))


def philox(key, low, high):
    """Four words of 32 bits."""
    mask = 0xFFFFFFFF
    k, c = [key & mask, key >> 32], [low & mask, low >> 32, high & mask, high >> 32]
    for _ in range(10):
        p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [q >> 32 ^ c[1] ^ k[0], q & mask, p >> 32 ^ c[3] ^ k[1], p & mask]
        k = [(k[0] + 0x9E3779B9) & mask, (k[1] + 0xBB67AE85) & mask]
    return c


def views(picture, step, pad):
    """u8 [side, side, 3] -> f64 [COPIES, 3, side, side] and quarter turns: padded crop, flip, turn."""
    side = len(picture)
    padded = numpy.pad(picture, ((pad, pad), (pad, pad), (0, 0)))
    out, turns = [], []
    for i in range(COPIES):
        word = philox(SEED, AUGMENT << 32 | step, KEY * COPIES + i)
        top, left = (w * (2 * pad + 1) >> 32 for w in word[:2])
        view = padded[top:top + side, left:left + side]
        if word[2] >> 31:
            view = view[:, ::-1]
        turns.append(word[3] >> 30)
        out.append(numpy.rot90(view, turns[-1]))
    x = torch.from_numpy(numpy.stack(out).astype(numpy.float64)).permute(0, 3, 1, 2)
    return (x / 255 - 0.5) / 0.5, torch.tensor(turns)


def write(path, limit, width, side, pad):
    torch.manual_seed(0)
    net = YNetwork(width)
    with torch.no_grad():
        vectors.fill(net)
    net.double()
    picture = numpy.floor((vectors.numbers(1000, side * side * 3, 1) + 0.5) * 256)
    picture = picture.astype(numpy.uint8).reshape(side, side, 3)
    learning = [p for n, p in net.named_parameters() if n.startswith(("conv1", "layer1", "layer2", "head"))]
    optimizer = torch.optim.SGD(learning, RATE)
    out, losses = {}, []
    for step in range(max(STEPS)):
        x, turns = views(picture, step, pad)
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net.turns(x), turns)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if step + 1 in STEPS:
            for name, p in net.named_parameters():
                out[f"{step + 1}.{name}"] = vectors.sample(p, limit)
    out["losses"] = numpy.array(losses)
    out = {k: numpy.ascontiguousarray(v, numpy.float32) for k, v in out.items()}
    described = dict(limit=limit, width=width, side=side, padding=pad, copies=COPIES, rate=RATE, seed=SEED, key=KEY)
    save_file(out, path, {k: str(v) for k, v in described.items()})
    print(path, path.stat().st_size, "bytes")


def main():
    torch.set_num_threads(2)
    kind, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "resnet26.safetensors"
    if kind == "golden":
        write(path, 24, 8, 16, 2)
    else:
        write(path, 0, 16, 32, 4)


if __name__ == "__main__":
    main()
