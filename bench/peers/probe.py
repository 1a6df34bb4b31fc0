"""The linear probe of train/evaluate/linear.h in PyTorch."""

import math

import torch
from torch.nn import functional

RATES = [0.1, 0.03, 0.01, 0.003, 0.001, 0.0003]  # train/evaluate/linear.h


def probe(x, labels, unseen, unseen_labels):
    """Returns the accuracies on held-out training pictures and on test pictures, at the rate that
    the held-out ones choose. The classifiers of all rates train side by side."""
    mean, variance = x.double().mean(0), x.double().var(0, unbiased=False)
    scale = torch.rsqrt(variance + 1e-4 * variance.mean()) * (variance > 0)
    x, unseen = ((values - mean.float()) * scale.float() for values in (x, unseen))
    # The part held out and the order have a seed of their own, the same for every network.
    generator = torch.Generator().manual_seed(1)
    order, held = torch.randperm(len(x), generator=generator), min(5000, (len(x) + 5) // 10)
    held, kept = order[:held], order[held:]
    classes = int(labels.max()) + 1
    weight = torch.zeros(len(RATES), x.shape[1], classes)
    bias = torch.zeros(len(RATES), 1, classes)
    slots = [(w, torch.zeros_like(w)) for w in (weight, bias)]
    steps_an_epoch = math.ceil(len(kept) / 256)
    epochs = max(30, math.ceil(500 / steps_an_epoch))
    for step in range(epochs * steps_an_epoch):
        if step % steps_an_epoch == 0:
            order = torch.randperm(len(kept), generator=generator)
        rows = kept[order[step % steps_an_epoch * 256:][:256]]
        target = functional.one_hot(labels[rows], classes)
        error = (torch.softmax(x[rows] @ weight + bias, 2) - target) / len(rows)
        decay = (1 + math.cos(math.pi * step / (epochs * steps_an_epoch))) / 2
        rate = torch.tensor(RATES).view(-1, 1, 1) * decay
        for (w, velocity), gradient in zip(slots, (x[rows].T @ error, error.sum(1, keepdim=True))):
            velocity.mul_(0.9).add_(gradient)
            w.sub_(rate * velocity)

    def accuracies(values, right):
        return ((values @ weight + bias).argmax(2) == right).float().mean(1)

    chosen = accuracies(x[held], labels[held])
    best = chosen.argmax()
    return {"rate": RATES[best], "held_out_accuracy": chosen[best].item(),
            "accuracy": accuracies(unseen, unseen_labels)[best].item()}
