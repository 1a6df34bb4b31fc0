"""Writes what PyTorch and torchvision compute for contrastive learning, from stored inputs:

    contrastive.py DIR      views.safetensors and losses.safetensors, committed as tests/parity/contrastive

Losses are written as the papers' released code has them (masked logits and a cross entropy), in f64.
tests/train/test_contrastive_parity.cpp reads the files."""

import pathlib
import sys

import numpy
import torch
import torchvision
import torchvision.transforms.functional as F
from safetensors.torch import save_file

# A row a view: crop (top, left, height, width), brightness, contrast, saturation, hue, sigma, order of
# the jitter (4), flip, jitter, grey, solarize, cubic, window.
VIEWS = [
    (0, 0, 24, 20, 1, 1, 1, 0, 0, 0, 1, 2, 3, 0, 0, 0, 0, 0, 3),
    (3, 5, 11, 13, 1, 1, 1, 0, 0, 0, 1, 2, 3, 1, 0, 0, 0, 0, 3),
    (3, 5, 21, 9, 1, 1, 1, 0, 0, 0, 1, 2, 3, 0, 0, 0, 0, 1, 3),
    (10, 2, 5, 6, 1, 1, 1, 0, 0, 0, 1, 2, 3, 1, 0, 0, 0, 1, 3),
    (2, 1, 20, 19, 1.7, 1, 1, 0, 0, 0, 1, 2, 3, 0, 1, 0, 0, 0, 3),
    (2, 1, 20, 19, 1, 0.3, 1, 0, 0, 0, 1, 2, 3, 0, 1, 0, 0, 0, 3),
    (2, 1, 20, 19, 1, 1, 1.9, 0, 0, 0, 1, 2, 3, 0, 1, 0, 0, 0, 3),
    (2, 1, 20, 19, 1, 1, 1, 0.3, 0, 0, 1, 2, 3, 0, 1, 0, 0, 0, 3),
    (2, 1, 20, 19, 1, 1, 1, -0.45, 0, 0, 1, 2, 3, 1, 1, 0, 0, 0, 3),
    (4, 3, 15, 14, 1.3, 1.6, 0.2, 0.1, 0, 3, 0, 2, 1, 1, 1, 0, 0, 0, 3),
    (4, 3, 15, 14, 0.4, 1.4, 1.8, -0.2, 0, 2, 3, 1, 0, 0, 1, 0, 0, 0, 3),
    (1, 0, 22, 20, 0.7, 1.2, 0.5, 0.05, 0.6, 1, 3, 0, 2, 0, 1, 1, 0, 0, 3),
    (1, 0, 22, 20, 1, 1, 1, 0, 1.9, 0, 1, 2, 3, 1, 0, 0, 0, 0, 5),
    (0, 4, 17, 16, 1, 1, 1, 0, 0.1, 0, 1, 2, 3, 0, 0, 0, 1, 0, 9),
    (5, 5, 12, 12, 1.5, 0.6, 1.2, 0.15, 1.1, 3, 2, 1, 0, 1, 1, 0, 0, 0, 7),
]
SIZE = 12
MEAN, STD = [0.4914, 0.4822, 0.4465], [0.2023, 0.1994, 0.2010]


def view(picture, row):
    top, left, height, width = (int(v) for v in row[:4])
    factors, hue, sigma, order = row[4:7], row[7], row[8], [int(v) for v in row[9:13]]
    flip, jitter, grey, solarize, cubic, window = (int(v) for v in row[13:])
    mode = torchvision.transforms.InterpolationMode.BICUBIC if cubic else \
        torchvision.transforms.InterpolationMode.BILINEAR
    x = F.resized_crop(picture, top, left, height, width, [SIZE, SIZE], mode, antialias=True)
    x = x.clamp(0, 1)
    if flip:
        x = F.hflip(x)
    if jitter:
        change = [F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue]
        for op in order:
            x = change[op](x, (*factors, hue)[op])
    if grey:
        x = F.rgb_to_grayscale(x, 3)
    if sigma:
        x = F.gaussian_blur(x, [window, window], [sigma, sigma])
    if solarize:
        x = F.solarize(x, 0.5)
    return F.normalize(x, MEAN, STD)


def write_views(path):
    generator = torch.Generator().manual_seed(3)
    # Smooth and rough in turn: neighbours that differ, and colours that do not reach the ends.
    rough = torch.rand(3, 24, 20, generator=generator)
    smooth = F.gaussian_blur(torch.rand(3, 24, 20, generator=generator), [5, 5], [1.5, 1.5])
    picture = ((0.5 * rough + 0.5 * smooth) * 255).round().to(torch.uint8)
    # Far from the threshold of solarize, where a rounding would be a jump.
    picture[(picture > 110) & (picture < 145)] = 150
    seen = torch.stack([view(picture.float() / 255, row) for row in VIEWS])
    save_file({"picture": picture.permute(1, 2, 0).contiguous(),
               "draws": torch.tensor(VIEWS, dtype=torch.float32),
               "views": seen.permute(0, 2, 3, 1).contiguous()}, path)


def write_losses(path):
    generator = torch.Generator().manual_seed(4)

    def numbers(*shape):
        return torch.randn(*shape, generator=generator).float()

    def unit(x):
        return torch.nn.functional.normalize(x, dim=-1)

    cross_entropy = torch.nn.functional.cross_entropy
    pairs, dim, queue_size, temperature = 12, 24, 50, 0.1
    out = {"simclr.h": numbers(2 * pairs, dim), "moco.q": numbers(pairs, dim),
           "moco.k": unit(numbers(pairs, dim)), "moco.queue": unit(numbers(queue_size, dim)),
           "npid.v": numbers(pairs, dim), "npid.bank": unit(numbers(queue_size, dim)),
           "npid.index": torch.randperm(queue_size, generator=generator)[:pairs]}

    # SimCLR's objective.py: both directions of both views, itself masked by a large number.
    h = out["simclr.h"].double().requires_grad_()
    a, b = unit(h).split(pairs)
    mask = torch.eye(pairs, dtype=torch.float64) * 1e9
    aa, bb = a @ a.T / temperature - mask, b @ b.T / temperature - mask
    ab, ba = a @ b.T / temperature, b @ a.T / temperature
    own = torch.arange(pairs)
    loss = (cross_entropy(torch.cat([ab, aa], 1), own) + cross_entropy(torch.cat([ba, bb], 1), own)) / 2
    loss.backward()
    out["simclr.loss"], out["simclr.dh"] = loss.detach(), h.grad

    # MoCo's builder.py: the positive in column 0.
    q = out["moco.q"].double().requires_grad_()
    positive = (unit(q) * out["moco.k"].double()).sum(1, keepdim=True)
    negative = unit(q) @ out["moco.queue"].double().T
    logits = torch.cat([positive, negative], 1) / temperature
    loss = cross_entropy(logits, torch.zeros(pairs, dtype=torch.long))
    loss.backward()
    out["moco.loss"], out["moco.dq"] = loss.detach(), q.grad

    # lemniscate's LinearAverage.py: every sample is a class.
    v = out["npid.v"].double().requires_grad_()
    loss = cross_entropy(unit(v) @ out["npid.bank"].double().T / temperature, out["npid.index"])
    loss.backward()
    out["npid.loss"], out["npid.dv"] = loss.detach(), v.grad
    save_file({k: v.float().contiguous() if v.is_floating_point() else v for k, v in out.items()},
              path, {"temperature": str(temperature)})


def print_crops():
    """What test_view.cpp holds the distribution of our crops against."""
    torch.manual_seed(0)
    crop = torchvision.transforms.RandomResizedCrop.get_params
    picture = torch.zeros(3, 40, 30)
    drawn = numpy.array([crop(picture, [0.08, 1.0], [3 / 4, 4 / 3])[2:] for _ in range(100000)])
    area, ratio = drawn[:, 0] * drawn[:, 1] / 1200, numpy.log(drawn[:, 1] / drawn[:, 0])
    print(f"crops of 40 x 30: mean area {area.mean():.4f} deviation {area.std():.4f}, "
          f"mean log ratio {ratio.mean():.4f} deviation {ratio.std():.4f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    write_views(folder / "views.safetensors")
    write_losses(folder / "losses.safetensors")
    print_crops()
