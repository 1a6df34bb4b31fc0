"""Writes what PyTorch computes for Vision Transformers and masked autoencoders: everything of a small network, weights
included, for tests/train/test_parity_vit.cpp.

    transformers.py golden DIR   small networks: committed as tests/parity/golden
    transformers.py full DIR     ViT-Ti/16 at 224 and MAE ViT-Ti/4 at 32; ten steps are taken in f64

The classifier is timm's VisionTransformer, the masked autoencoder bench/peers/masked.py. Without timm its files are
left out, and the program says so."""

import pathlib
import sys

import torch
from safetensors.torch import save_file

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench" / "peers"))
import masked

STEPS, RATE, DECAY, EPS = 10, 1e-3, 0.05, 1e-8


def nhwc(images):
    return images.permute(0, 2, 3, 1).contiguous()


def write(path, net, groups, run, described, tensors):
    """run(net) -> (loss, output). Ten AdamW steps follow from the first gradient on."""
    out = dict(tensors)
    out |= {f"weight.{k}": v.clone() for k, v in net.state_dict().items()}
    net.zero_grad()
    loss, output = run(net)
    loss.backward()
    out |= {"loss": loss.detach(), "output": output.detach()}
    out |= {f"gradient.{k}": p.grad.clone() for k, p in net.named_parameters() if p.requires_grad}
    if described["steps_dtype"] == "f64":
        net.double()
    optimizer = torch.optim.AdamW(groups(net), RATE, betas=(0.9, 0.95), eps=EPS)
    losses = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss, _ = run(net)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    out["steps.losses"] = torch.tensor(losses)
    out |= {f"steps.{k}": p.detach().clone() for k, p in net.named_parameters() if p.requires_grad}
    out = {k: v.to(torch.int32) if not v.is_floating_point() else v.float().contiguous() for k, v in out.items()}
    save_file(out, path, {k: str(v) for k, v in described.items()})
    print(path, path.stat().st_size, "bytes")


def write_mae(path, normalize, batch, side, patch, width, depth, heads, decoder, ratio, steps_dtype):
    torch.manual_seed(3)
    net = masked.MaskedAutoencoder(side, patch, width, depth, heads, *decoder)
    for p in net.parameters():  # no bias and no norm at its starting value
        if p.requires_grad and p.ndim == 1:
            p.data += 0.1 * torch.randn_like(p)
    images = torch.randn(batch, 3, side, side)
    patches = (side // patch) ** 2
    visible = masked.visible_patches(batch, patches, int(patches * (1 - ratio)))
    described = dict(kind="mae", normalize=int(normalize), side=side, patch=patch, width=width, depth=depth,
                     heads=heads, decoder_width=decoder[0], decoder_depth=decoder[1], decoder_heads=decoder[2],
                     steps_dtype=steps_dtype)

    def run(net):
        x = images.to(net.cls_token.dtype)
        return net.loss(x, visible, normalize), net(x, visible)

    write(path, net, lambda n: masked.decayed(n, DECAY), run, described,
          {"images": nhwc(images), "visible": visible})


def write_vit(path, pool, batch, side, patch, width, depth, heads, classes, steps_dtype):
    from timm.models.vision_transformer import VisionTransformer
    torch.manual_seed(4)
    net = VisionTransformer(img_size=side, patch_size=patch, embed_dim=width, depth=depth, num_heads=heads,
                            num_classes=classes, global_pool="avg" if pool == "mean" else "token")
    for p in net.parameters():
        if p.ndim == 1:
            p.data += 0.1 * torch.randn_like(p)
    torch.nn.init.normal_(net.head.weight, 0, 0.2)
    images, labels = torch.randn(batch, 3, side, side), torch.arange(batch) % classes
    described = dict(kind="vit", pool=pool, side=side, patch=patch, width=width, depth=depth, heads=heads,
                     classes=classes, steps_dtype=steps_dtype)

    def run(net):
        logits = net(images.to(net.cls_token.dtype))
        return torch.nn.functional.cross_entropy(logits, labels), logits

    def groups(net):  # no decay of vectors and of learned positions
        kept = {"pos_embed"}
        named = list(net.named_parameters())
        return [{"params": [p for n, p in named if p.ndim <= 1 or n in kept], "weight_decay": 0.0},
                {"params": [p for n, p in named if p.ndim > 1 and n not in kept], "weight_decay": DECAY}]

    write(path, net, groups, run, described, {"images": nhwc(images)})


def main():
    torch.set_num_threads(2)
    kind, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "golden":
        size, steps = dict(batch=3, side=8, patch=2, width=16, depth=2, heads=2), "f32"
        decoder, full = (8, 1, 2), False
    else:
        size, steps = dict(batch=4, side=32, patch=4, width=192, depth=12, heads=3), "f64"
        decoder, full = (128, 4, 4), True
    for name, normalize in (("mae-plain", False), ("mae-normalized", True)):
        write_mae(folder / f"{name}.safetensors", normalize, decoder=decoder, ratio=0.75, steps_dtype=steps, **size)
    try:
        import timm  # noqa: F401
    except ImportError:
        print("SKIPPED: timm's Vision Transformer: timm is not installed")
        return
    if full:
        size |= dict(batch=2, side=224, patch=16)
    for name, pool in (("vit-cls", "cls"), ("vit-mean", "mean")):
        write_vit(folder / f"{name}.safetensors", pool, classes=1000 if full else 5, steps_dtype=steps, **size)


if __name__ == "__main__":
    main()
