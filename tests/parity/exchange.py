"""torchvision's weights and ours, both ways.

    exchange.py give DIR   torchvision's ResNet-18 and -50 as safetensors, images and their logits
    (then train_tests, with AUTODIDACT_PARITY_EXCHANGE=DIR, loads them, compares, and writes DIR/ours)
    exchange.py take DIR   loads what we wrote, strictly, and compares the logits we computed with it
"""

import pathlib
import sys

import torch
import torchvision
from safetensors.torch import load_file, save_file

NETWORKS = {"resnet18": torchvision.models.resnet18, "resnet50": torchvision.models.resnet50}


def give(folder):
    torch.manual_seed(0)
    images = torch.randn(2, 3, 64, 64)
    for name, build in NETWORKS.items():
        net = build()
        net.train()
        with torch.no_grad():
            for _ in range(3):  # running statistics that are not 0 and 1
                net(torch.randn(8, 3, 64, 64))
        net.eval()
        with torch.no_grad():
            logits = net(images)
        save_file(net.state_dict(), folder / f"{name}.safetensors", {"format": "pt"})
        nhwc = images.permute(0, 2, 3, 1).contiguous()
        save_file({"images": nhwc, "logits": logits}, folder / f"{name}.logits")


def take(folder):
    worst = 0
    for name, build in NETWORKS.items():
        net = build()
        net.load_state_dict(load_file(folder / "ours" / f"{name}.safetensors"), strict=True)
        net.eval()
        case = load_file(folder / "ours" / f"{name}.logits")
        with torch.no_grad():
            logits = net(case["images"].permute(0, 3, 1, 2))
        difference = (logits - case["logits"]).abs().max().item()
        print(f"{name}: our weights in torchvision, loaded strictly: logits differ by {difference:.2g}")
        worst = max(worst, difference)
    sys.exit(worst > 1e-4)


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ours").mkdir(exist_ok=True)
    {"give": give, "take": take}[sys.argv[1]](folder)
