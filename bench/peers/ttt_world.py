"""Learning parity: joint training by a recipe of test-time training in PyTorch, then online adaptation, as `train ttt`
and `adapt --mode online` do it: the same network, schedule and views on the same pictures, random numbers of its own.

    ttt_world.py --train X.npy,Y.npy --test X.npy,Y.npy --broken X.npy,Y.npy --seed N --out F.json

The object has the accuracy on clean test pictures (accuracy) and on their turns (rotation), and on the broken ones the
error in percent of the network as it was trained (error_none) and adapting (error). ttt_world.sh runs both sides."""

import copy

import torch
from torch.nn import functional

import networks
from recipe import arguments, learning_rate, load, normalised, read_recipe, write
from rotation_world import augmented, turned

# Defaults: train/ttt.h, train/classification.h, train/loop.h, models/encoder.h.
KEYS = {"crop_padding": 4, "flip": True, "optimizer": "sgd", "norm": "own", "rotations": "random"}
# The only values that train() knows.
FIXED = {"model": "resnet18", "imagenet_stem": True, "norm": "group", "objective": "joint",
         "split": "layer2", "rotations": "all", "optimizer": "adamw"}


class YNetwork(torch.nn.Module):
    def __init__(self, recipe):
        super().__init__()
        self.main = networks.build("resnet18", recipe["width"], 10, True, recipe["groups"], own_norm=False)
        self.branch = torch.nn.Sequential(copy.deepcopy(self.main.layer3), copy.deepcopy(self.main.layer4))
        self.fc = torch.nn.Linear(self.main.fc.in_features, 4)

    def shared(self, x):
        net = self.main
        return net.layer2(net.layer1(net.maxpool(net.relu(net.bn1(net.conv1(x))))))

    def forward(self, x):
        return self.main.fc(self.main.layer4(self.main.layer3(self.shared(x))).mean((2, 3)))

    def turns(self, x):
        return self.fc(self.branch(self.shared(x)).mean((2, 3)))

    def learning(self):
        shared = (self.main.conv1, self.main.bn1, self.main.layer1, self.main.layer2)
        return [p for part in (*shared, self.branch, self.fc) for p in part.parameters()]


def four_turns(pictures):
    turns = torch.arange(4).repeat(len(pictures))
    return turned(pictures.repeat_interleave(4, 0), turns), turns


def train(recipe, pictures, labels, seed):
    torch.manual_seed(seed)
    net = YNetwork(recipe).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), betas=(0.9, 0.999), weight_decay=recipe["weight_decay"])
    batch = min(recipe["batch_size"], len(pictures))
    steps_an_epoch = len(pictures) // batch
    for step in range(recipe["epochs"] * steps_an_epoch):
        if step % steps_an_epoch == 0:
            order = torch.randperm(len(pictures))
        chosen = order[step % steps_an_epoch * batch:][:batch]
        upright = augmented(pictures[chosen], recipe)
        views, turns = four_turns(upright)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, step, steps_an_epoch)
        optimizer.zero_grad()
        loss = functional.cross_entropy(net(normalised(upright, recipe)), labels[chosen])
        (loss + functional.cross_entropy(net.turns(normalised(views, recipe)), turns)).backward()
        optimizer.step()
    return net


@torch.no_grad()
def accuracy(call, pictures, answers, recipe):
    parts = zip(pictures.split(250), answers.split(250))
    return sum((call(normalised(x, recipe)).argmax(1) == y).sum().item() for x, y in parts) / len(pictures)


def adapt(net, pictures, labels, recipe, rate, copies):
    """Accuracy of answers after one step a picture; what was learned is kept."""
    optimizer = torch.optim.SGD(net.learning(), rate)
    right = 0
    for i in range(len(pictures)):
        picture = pictures[i:i + 1]
        views, turns = four_turns(augmented(picture.expand(copies // 4, -1, -1, -1), recipe))
        optimizer.zero_grad()
        functional.cross_entropy(net.turns(normalised(views, recipe)), turns).backward()
        optimizer.step()
        right += accuracy(net, picture, labels[i:i + 1], recipe)
    return right / len(pictures)


def main():
    parser = arguments("ttt-world-quick")
    parser.add_argument("--broken", required=True)
    parser.add_argument("--rate", type=float, default=0.002, help="of adaptation")
    parser.add_argument("--copies", type=int, default=32, help="views a step, in all four turns")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    recipe = read_recipe(given.recipe, KEYS, FIXED)
    recipe["epochs"] = given.epochs or recipe["epochs"]
    net = train(recipe, *load(given.train, given.size or recipe["train_size"]), given.seed)
    clean, labels = load(given.test, given.size or recipe["test_size"])
    broken, broken_labels = load(given.broken, 0)
    result = {"accuracy": accuracy(net, clean, labels, recipe),
              "rotation": accuracy(net.turns, *four_turns(clean), recipe),
              "error_none": 100 - 100 * accuracy(net, broken, broken_labels, recipe)}
    result["error"] = 100 - 100 * adapt(net, broken, broken_labels, recipe, given.rate, given.copies)
    write(given.out, result)


if __name__ == "__main__":
    main()
