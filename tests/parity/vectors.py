"""Writes what PyTorch computes for the networks of models/: logits, gradients, ten optimizer steps.

    vectors.py golden DIR   narrow networks, a sample of each tensor: committed as tests/parity/golden
    vectors.py full DIR     the papers' widths, every number
    vectors.py names DIR    names and shapes of parameters and buffers, as torchvision and the
                            released code list them: committed as tests/names

Weights and images are not stored: both sides compute them from `numbers` below.
tests/train/test_parity.cpp reads the files."""

import pathlib
import sys

import numpy
import torch
from safetensors.numpy import save_file

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench" / "peers"))
import networks

CLASSES, STEPS = 10, 10


def numbers(tensor, count, scale, offset=0.0):
    """count f32 numbers in offset + scale [-1/2, 1/2), fixed by the tensor's place in the model."""
    mask = 0xFFFFFFFF
    h = (numpy.arange(count, dtype=numpy.uint64) * 0x9E3779B1 + tensor * 0x85EBCA77) & mask
    h = ((h ^ (h >> 15)) * 0x2C1B3C6D) & mask
    h = ((h ^ (h >> 12)) * 0x297A2D39) & mask
    h ^= h >> 15
    unit = (h >> 8).astype(numpy.float32) * numpy.float32(2**-24) - numpy.float32(0.5)
    return numpy.float32(offset) + numpy.float32(scale) * unit


def fill(net):
    for i, (name, tensor) in enumerate(net.state_dict().items()):
        if tensor.ndim == 0:
            continue
        if tensor.ndim == 4:  # variance 2 / fan out, as at the start of training
            scale, offset = (24 / (tensor.shape[0] * tensor.shape[2] * tensor.shape[3])) ** 0.5, 0
        elif tensor.ndim == 2:
            scale, offset = 2 / tensor.shape[1] ** 0.5, 0
        elif name.endswith("running_var"):
            scale, offset = 0.5, 1
        elif name.endswith("weight"):
            scale, offset = 0.4, 1
        else:
            scale, offset = 0.2, 0
        values = numbers(i, tensor.numel(), scale, offset).reshape(tensor.shape)
        tensor.copy_(torch.from_numpy(values))


def images(tensor, batch, size):  # NHWC in numbers' order, so that our side needs no transpose
    x = numbers(tensor, batch * size * size * 3, 4).reshape(batch, size, size, 3)
    return torch.from_numpy(x).permute(0, 3, 1, 2).contiguous()


@torch.no_grad()
def away_from_kinks(net, batch, size):
    """The tensor number, of 40, whose images keep every ReLU's input farthest from zero. An input
    that rounding moves across zero changes all gradients before it by 1/sqrt(active inputs), about
    0.5 %: no two programs agree on such images."""
    nearest = []
    hooks = [m.register_forward_pre_hook(lambda m, x: nearest.append(x[0].abs().min().item()))
             for m in net.modules() if isinstance(m, torch.nn.ReLU)]
    margins = {}
    for tensor in range(1000, 1040):
        nearest.clear()
        net(images(tensor, batch, size))
        margins[tensor] = min(nearest)
    for hook in hooks:
        hook.remove()
    best = max(margins, key=margins.get)
    print(f"images {best}: ReLU inputs are at least {margins[best]:.1g} from zero")
    return best


def sample(tensor, limit):
    """Every stride-th number of the flat tensor, at most `limit` of them (0: all)."""
    flat = tensor.detach().numpy().astype(numpy.float32).ravel()
    return flat[::-(-flat.size // limit)] if limit else flat


def write(path, limit, batch, size, sgd_lr, adamw_lr, adamw_eps, steps_dtype, **options):
    torch.manual_seed(0)
    net = networks.build(classes=CLASSES, **options)
    fill(net)
    start = {k: v.clone() for k, v in net.state_dict().items()}
    tensor = away_from_kinks(net, batch, size)
    net.load_state_dict(start)
    x, labels = images(tensor, batch, size), torch.arange(batch) % CLASSES
    cross_entropy = torch.nn.functional.cross_entropy
    out = {}
    net.eval()
    out["evaluation.logits"] = net(x).detach().numpy()
    net.train()
    logits = net(x)
    cross_entropy(logits, labels).backward()
    out["training.logits"] = logits.detach().numpy()
    for name, p in net.named_parameters():
        out["gradient." + name] = sample(p.grad, limit)
    for name, b in net.named_buffers():
        if b.ndim:
            out["buffer." + name] = sample(b, limit)
    net.to(steps_dtype)
    x = x.to(steps_dtype)
    for rule in ("sgd", "adamw"):
        net.load_state_dict(start)
        # SGD's numbers are exact in f32, as our options keep them.
        optimizer = (torch.optim.SGD(net.parameters(), sgd_lr, momentum=0.875, weight_decay=2**-11,
                                     nesterov=True) if rule == "sgd" else
                     torch.optim.AdamW(net.parameters(), adamw_lr, eps=adamw_eps, weight_decay=0.05))
        losses = []
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss = cross_entropy(net(x), labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        out[rule + ".losses"] = numpy.array(losses)
        for name, p in net.named_parameters():
            out[f"{rule}.weight.{name}"] = sample(p, limit)
        net.eval()
        out[rule + ".logits"] = net(x).detach().numpy()
        net.train()
    out = {k: numpy.ascontiguousarray(v, numpy.float32) for k, v in out.items()}
    described = dict(limit=limit, batch=batch, size=size, imagenet_stem=0, groups=8, width=0,
                     images=tensor, sgd_lr=sgd_lr, adamw_lr=adamw_lr, adamw_eps=adamw_eps,
                     steps_dtype="f64" if steps_dtype == torch.float64 else "f32")
    described.update(options)
    described["imagenet_stem"] = int(described["imagenet_stem"])
    save_file(out, path, {k: str(v) for k, v in described.items()})
    return out


def write_names(path, net):
    rows = [f"{k} {' '.join(map(str, v.shape))}".rstrip() for k, v in net.state_dict().items()]
    path.write_text("\n".join(rows) + "\n")


CASES = {  # name: (golden's width, golden's image size, full image size, options)
    "resnet18-cifar": (4, 16, 16, dict(name="resnet18")),
    "resnet18-imagenet": (4, 64, 64, dict(name="resnet18", imagenet_stem=True)),
    "resnet26-groupnorm": (8, 16, 16, dict(name="resnet26")),
}


def main():
    torch.set_num_threads(2)
    kind, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "names":
        for name in ("resnet18", "resnet50", "resnet26", "nin4"):
            stem = name in ("resnet18", "resnet50")
            classes = 1000 if stem else 10
            write_names(folder / f"{name}.txt",
                        networks.build(name, classes=classes, imagenet_stem=stem))
        return
    for case, (width, small, large, options) in CASES.items():
        path = folder / f"{case}.safetensors"
        if kind == "golden":
            write(path, 24, 4, small, 2**-7, 1e-3, 1e-8, torch.float32, width=width, **options)
        else:  # ten f32 steps of a wide network part from PyTorch's own f64 steps by up to 1e-2
            write(path, 0, 4, large, 2**-7, 1e-3, 1e-8, torch.float64, **options)
        print(path, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
