"""What the learning comparisons share: their command line and result file, a recipe of train/recipes as
a dict, the pictures of `autodidact data export`, and the schedule."""

import argparse
import json
import math
import os
import pathlib
import tomllib

import numpy
import torch

RECIPES = pathlib.Path(__file__).resolve().parents[2] / "train" / "recipes"
MEANS = {"none": ([0.0] * 3, [1.0] * 3), "half": ([0.5] * 3, [0.5] * 3),
         "cifar10": ([125.3 / 255, 123.0 / 255, 113.9 / 255], [63.0 / 255, 62.1 / 255, 66.7 / 255])}
# The loop's keys with their defaults (train/loop.h), and the values of the others that the
# comparisons know.
LOOP = {"train_size": 0, "test_size": 0, "model": "resnet18", "width": 0, "groups": 8,
        "imagenet_stem": False, "normalization": "half", "epochs": 10, "batch_size": 128,
        "learning_rate": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4,
        "warmup_epochs": 0.0}
FIXED = {"optimizer": "sgd", "schedule": "cosine", "decay_scalars": True, "dtype": "f32",
         "init": "", "freeze": "none", "image_size": 0}
UNUSED = {"data", "seed", "evaluate_every", "log_every", "checkpoint_every"}


def arguments(recipe=None, threads=2):
    """A parser of what every comparison takes. recipe: the default."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--train", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--recipe", default=recipe, help="default: " + (recipe or "METHOD-world-quick"))
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--threads", type=int, default=threads)
    parser.add_argument("--epochs", type=int, help="instead of the recipe's")
    parser.add_argument("--size", type=int, help="pictures of either split, instead of the recipe's")
    parser.add_argument("--out", required=True)
    return parser


def write(path, result):
    part = path + ".part"
    pathlib.Path(part).write_text(json.dumps(result) + "\n")
    os.replace(part, path)


def read_recipe(name, defaults, fixed, unused=()):
    """defaults: of the method's own keys; fixed: the only values that the caller knows."""
    recipe, fixed = LOOP | defaults, FIXED | fixed
    for key, value in tomllib.loads((RECIPES / f"{name}.toml").read_text()).items():
        if key not in fixed and key not in UNUSED and key not in unused and key not in recipe:
            raise SystemExit(f"{name}: {key} is not known here")
        recipe[key] = value
    for key, value in fixed.items():  # a default that the caller does not know is refused, too
        if recipe.get(key, value) != value:
            raise SystemExit(f"{name}: {key} = {recipe[key]!r} is not built here, only {value!r}")
    return recipe


def load(pair, count):
    x, y = (numpy.load(name) for name in pair.split(","))
    if count > len(x):
        raise SystemExit(f"{pair}: has {len(x)} pictures, the recipe takes {count}")
    x, y = (values[:count] if count else values for values in (x, y))
    return torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(y).long()


def normalised(pictures, recipe):
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in MEANS[recipe["normalization"]])
    return ((pictures.float() / 255 - mean) / std).contiguous(memory_format=torch.channels_last)


def learning_rate(recipe, step, steps_an_epoch):
    base, total = recipe["learning_rate"], recipe["epochs"] * steps_an_epoch
    warmup = round(recipe["warmup_epochs"] * steps_an_epoch)
    if step < warmup:
        return base * (step + 1) / warmup
    return base * (1 + math.cos(math.pi * (step - warmup) / (total - warmup))) / 2
