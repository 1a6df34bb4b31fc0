"""Safetensors files of the Python package and ours, both ways.

    files.py give FILE        every element type that we read
    files.py check FILE JSON  our `inspect --json` of that file says what is in it
    files.py take FILE        one of our checkpoints, read by the package: strict, with metadata
    files.py network FILE     torchvision's ResNet-18 for 10 classes, its weights alone
    files.py strict FILE      what we exported, loaded strictly into it
"""

import json
import pathlib
import sys

import torch
import torchvision
from safetensors import safe_open
from safetensors.torch import load_file, save_file

TYPES = {
    torch.float32: "f32", torch.bfloat16: "bf16", torch.float64: "f64", torch.float16: "f32",
    torch.int32: "i32", torch.int64: "i64", torch.uint8: "u8", torch.bool: "u8",
}


def tensors():
    torch.manual_seed(0)
    values = {}
    for i, dtype in enumerate(TYPES):
        values[f"t{i}"] = (100 * torch.rand(2, i, 3)).to(dtype)
    values["scalar \u00e9 \"quoted\""] = torch.tensor(7)
    return values


def give(path):
    save_file(tensors(), path, {"format": "pt", "note": "line\nbreak \u00e9"})


def check(path, listing):
    said = {t["name"]: t for t in json.loads(pathlib.Path(listing).read_text())["tensors"]}
    given = tensors()
    assert said.keys() == given.keys(), said.keys()
    for name, t in given.items():
        assert said[name]["dtype"] == TYPES[t.dtype], name
        assert said[name]["shape"] == list(t.shape), name


def take(path):
    with safe_open(path, "pt") as f:
        assert f.metadata()["format"] == "pt"
        assert "autodidact.step" in f.metadata()
        names = list(f.keys())
        assert names
        for name in names:
            assert torch.isfinite(f.get_tensor(name).float()).all(), name
    print(f"{len(names)} tensors of our checkpoint read by safetensors")


def network(path):
    save_file(torchvision.models.resnet18(num_classes=10).state_dict(), path)


def strict(path):
    torchvision.models.resnet18(num_classes=10).load_state_dict(load_file(path), strict=True)


if __name__ == "__main__":
    {"give": give, "check": check, "take": take, "network": network, "strict": strict}[sys.argv[1]](*sys.argv[2:])
