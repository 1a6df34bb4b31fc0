"""PyTorch's side of bench/startup.sh: what `autodidact predict` does with one picture, in as few
imports as it takes.

    predict.py WEIGHTS.pt PICTURE        WEIGHTS.pt is written where it is missing"""

import pathlib
import sys

import numpy
import PIL.Image
import torch

import networks

weights = pathlib.Path(sys.argv[1])
net = networks.build("resnet18", classes=10, imagenet_stem=False)
if not weights.exists():
    torch.save(net.state_dict(), weights)
net.load_state_dict(torch.load(weights, weights_only=True))
pixels = numpy.asarray(PIL.Image.open(sys.argv[2]).convert("RGB"), dtype="float32") / 127.5 - 1
with torch.inference_mode():
    scores = net.eval()(torch.from_numpy(pixels).permute(2, 0, 1)[None]).softmax(1)[0]
for probability, kind in zip(*scores.topk(3)):
    print(f"{kind.item()} {100 * probability.item():.1f} %")
