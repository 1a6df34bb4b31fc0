"""Learning parity: a recipe of SimCLR, MoCo or NPID in PyTorch with lightly's views, losses, queue
and heads (the same network, schedule and draws on the same pictures, random numbers of its own),
then the same linear probe of the features. lightly has no NPID: its bank is written out here.

    contrastive_world.py METHOD --train X.npy,Y.npy --test X.npy,Y.npy --seed N --out F.json

The pictures are those of `autodidact data export`. The object that is written has the keys of
`autodidact evaluate linear --json` that matter here. contrastive_world.sh runs both sides and
prints the table."""

import copy
import time

import torch
from lightly.loss import NTXentLoss
from lightly.models.batchnorm import SplitBatchNorm
from lightly.models.modules import MoCoProjectionHead
from lightly.models.utils import batch_shuffle, batch_unshuffle, update_momentum
from lightly.transforms.simclr_transform import SimCLRViewTransform
from torch import nn
from torch.nn import functional
from torchvision.transforms.functional import to_pil_image

import networks
from probe import probe
from recipe import MEANS, arguments, learning_rate, load, normalised, read_recipe, write

# Defaults: train/contrastive, train/views.h.
KEYS = {"head": "mlp", "hidden": 0, "dim": 128, "temperature": 0.2, "crop_area": 0.08,
        "flip": True, "jitter": 0.8, "brightness": 0.4, "contrast": 0.4, "saturation": 0.4,
        "hue": 0.1, "grey": 0.2}
OWN = {"simclr": {}, "npid": {"bank_momentum": 0.5, "head": "linear"},
       "moco": {"queue_size": 65536, "key_momentum": 0.999, "batch_norm_splits": 8,
                "symmetric": False}}
# The only values that train() knows. Of blur none: lightly draws another kernel than ours.
FIXED = {"blur": 0.0, "positives": "same", "solarize": 0.0, "view_size": 0,
         "interpolation": "bilinear", "cached_parts": 1, "negatives": 0, "proximal": 0.0}
UNUSED = {"on_collapse", "knn_pictures", "knn_k", "knn_temperature", "blur_kernel"}


def view_of(recipe, side):
    mean, std = MEANS[recipe["normalization"]]
    return SimCLRViewTransform(
        input_size=side, cj_prob=recipe["jitter"], cj_strength=1.0,
        cj_bright=recipe["brightness"], cj_contrast=recipe["contrast"],
        cj_sat=recipe["saturation"], cj_hue=recipe["hue"], min_scale=recipe["crop_area"],
        random_gray_scale=recipe["grey"], gaussian_blur=0.0,
        hf_prob=0.5 if recipe["flip"] else 0.0, normalize={"mean": mean, "std": std})


class Views(torch.utils.data.Dataset):
    """index, and `count` views of that picture."""

    def __init__(self, pictures, recipe, count):
        self.pictures = [to_pil_image(p) for p in pictures]
        self.view, self.count = view_of(recipe, pictures.shape[2]), count

    def __len__(self):
        return len(self.pictures)

    def __getitem__(self, i):
        return i, [self.view(self.pictures[i]) for _ in range(self.count)]


def split_batch_norm(module, splits):
    """Every BatchNorm with statistics of each of `splits` parts of the batch."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, SplitBatchNorm(child.num_features, splits))
        else:
            split_batch_norm(child, splits)


class Embedder(nn.Module):
    def __init__(self, recipe):
        super().__init__()
        net = networks.build(recipe["model"], recipe["width"], 10, recipe["imagenet_stem"],
                             recipe["groups"])
        features = net.fc.in_features
        if recipe["head"] == "mlp":
            net.fc = MoCoProjectionHead(features, recipe["hidden"] or features, recipe["dim"])
        elif recipe["head"] == "linear":
            net.fc = nn.Linear(features, recipe["dim"])
        else:
            net.fc = nn.Identity()
        self.net = net
        self.dim = features if recipe["head"] == "none" else recipe["dim"]
        if recipe.get("batch_norm_splits", 1) > 1:
            split_batch_norm(net, recipe["batch_norm_splits"])

    def forward(self, x):
        return functional.normalize(self.net(x))

    @torch.inference_mode()
    def features(self, x):
        return self.net.blocks(x)[-1].mean((2, 3))


class SimClr:
    views = 2

    def __init__(self, recipe, count):
        self.model = Embedder(recipe)
        self.criterion = NTXentLoss(recipe["temperature"])

    def loss(self, _, views):
        # Both views in one batch: one BatchNorm sees them all.
        return self.criterion(*self.model(torch.cat(views)).chunk(2))


class Moco:
    views = 2

    def __init__(self, recipe, count):
        self.recipe, self.model = recipe, Embedder(recipe)
        self.key = copy.deepcopy(self.model)
        self.criterion = NTXentLoss(recipe["temperature"], (recipe["queue_size"], self.model.dim))

    @torch.no_grad()
    def keys_of(self, views):
        shuffled, order = batch_shuffle(views)
        return batch_unshuffle(self.key(shuffled), order)

    def loss(self, _, views):
        update_momentum(self.model, self.key, self.recipe["key_momentum"])
        first, second = views
        loss = self.criterion(self.model(first), self.keys_of(second))
        if self.recipe["symmetric"]:
            loss = (loss + self.criterion(self.model(second), self.keys_of(first))) / 2
        return loss


class Npid:
    views = 1

    def __init__(self, recipe, count):
        self.recipe, self.model = recipe, Embedder(recipe)
        self.bank = functional.normalize(torch.randn(count, self.model.dim))

    def loss(self, samples, views):
        v, m = self.model(views[0]), self.recipe["bank_momentum"]
        loss = functional.cross_entropy(v @ self.bank.T / self.recipe["temperature"], samples)
        with torch.no_grad():  # the loss keeps the bank as it was
            self.bank = self.bank.index_copy(
                0, samples, functional.normalize(m * self.bank[samples] + (1 - m) * v))
        return loss


METHODS = {"simclr": SimClr, "moco": Moco, "npid": Npid}


def train(method, recipe, pictures, seed, workers):
    torch.manual_seed(seed)
    learner = METHODS[method](recipe, len(pictures))
    optimizer = torch.optim.SGD(learner.model.parameters(), 0.1, recipe["momentum"],
                                nesterov=recipe["nesterov"], weight_decay=recipe["weight_decay"])
    loader = torch.utils.data.DataLoader(
        Views(pictures, recipe, learner.views), recipe["batch_size"], shuffle=True, drop_last=True,
        num_workers=workers, persistent_workers=workers > 0)
    step = 0
    for epoch in range(recipe["epochs"]):
        for samples, views in loader:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(recipe, step, len(loader))
            loss = learner.loss(samples, views)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
        print(f"{method} {seed}: epoch {epoch + 1}, loss {loss.item():.3f}", flush=True)
    return learner.model.eval()


def main():
    parser = arguments(threads=1)
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("--workers", type=int, default=0, help="processes that make views")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    recipe = read_recipe(given.recipe or given.method + "-world-quick", KEYS | OWN[given.method],
                         FIXED | ({"batch_norm_splits": 1} if given.method == "simclr" else {}),
                         UNUSED)
    recipe["epochs"] = given.epochs or recipe["epochs"]
    pictures, labels = load(given.train, given.size or recipe["train_size"])
    test_pictures, test_labels = load(given.test, given.size or recipe["test_size"])
    begin = time.monotonic()
    model = train(given.method, recipe, pictures, given.seed, given.workers)
    x, unseen = (torch.cat([model.features(normalised(part, recipe)) for part in p.split(250)])
                 for p in (pictures, test_pictures))
    result = {"block": "features", "dims": x.shape[1], **probe(x, labels, unseen, test_labels),
              "parameters": sum(p.numel() for p in model.parameters()),
              "seconds": time.monotonic() - begin, "cpu_seconds": time.process_time()}
    write(given.out, result)


if __name__ == "__main__":
    main()
