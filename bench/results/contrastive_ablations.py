#!/usr/bin/env python3
"""Ablations of SimCLR and MoCo on the built-in world: what the papers take away or turn, one thing
at a time, from the recipes simclr-world-quick and moco-world-quick, three seeds each, one thread a
run. Prints a table of means and spreads, and draws it.

    contrastive_ablations.py PROGRAM RUNS [--seeds 1 2 3] [--epochs E] [--size N] [--only NAME ..]
                             [--jobs N] [--plot FILE.svg]

RUNS keeps what is finished: the same command goes on from there, in the middle of a run, too.
--epochs and --size make a trial of it; what is not finished is left out of table and plot."""

import argparse
import concurrent.futures
import json
import pathlib
import statistics
import subprocess
import sys

# group: what the papers say; method; (variant, settings). A number of epochs is a part of the
# recipe's. The first variant is the recipe itself; where it is listed in several groups it is
# trained once. Learning rates go with the batch, as SimCLR's do.
GROUPS = {
    "views": ("SimCLR, figure 5: colour and crop are what matters", "simclr", [
        ("all", {}), ("no colours", {"jitter": 0, "grey": 0}), ("no crop", {"crop_area": 1}),
        ("neither", {"jitter": 0, "grey": 0, "crop_area": 1})]),
    "head": ("SimCLR, figure 8: mlp above linear above none", "simclr", [
        ("mlp", {}), ("linear", {"head": "linear"}), ("none", {"head": "none"})]),
    "batch": ("SimCLR, figure 9: large batches are better, less so with longer training", "simclr", [
        (f"{batch}, {part} of the passes", {"batch_size": batch, "learning_rate": 0.06 * batch / 128,
                                            "epochs": part})
        for part in (0.25, 1) for batch in (64, 512)]),
    "momentum": ("MoCo, section 4.1: 0 fails, 0.999 is best", "moco", [
        ("recipe", {}), *((f"m = {m}", {"key_momentum": m}) for m in (0, 0.9, 0.99, 0.999))]),
    "queue": ("MoCo, figure 3: the larger the better", "moco", [
        ("recipe", {}), *((f"K = {k}", {"queue_size": k}) for k in (256, 4096, 60000))]),
    "leak": ("MoCo, section 3.3: without shuffled statistics BatchNorm cheats", "moco", [
        ("recipe", {}), ("one BatchNorm", {"batch_norm_splits": 1})]),
}
RECIPE_EPOCHS = 80


def assignments(settings, seed, given):
    """As --set takes them."""
    epochs = given.epochs or RECIPE_EPOCHS
    settings = settings | {"seed": seed, "epochs": max(2, round(settings.get("epochs", 1) * epochs))}
    if given.size:
        settings |= {"train_size": given.size, "test_size": given.size}
    # The judge during training is not needed: evaluate does it.
    settings |= {"evaluate_every": settings["epochs"], "knn_pictures": 0}
    return [f"{key}={str(value).lower()}" for key, value in sorted(settings.items())]


def folder_of(given, method, settings, seed):
    """Of a result; --epochs and --size make another one."""
    trial = {key: getattr(given, key) for key in ("epochs", "size") if getattr(given, key)}
    turned = "".join(f"-{key}={value}" for part in (settings, trial)
                     for key, value in sorted(part.items()))
    return f"{method}{turned}-seed={seed}"


def call(program, *arguments, out=None):
    done = subprocess.run([program, *arguments, "--threads", "1", "-q"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments)}: {done.stderr.strip() or done.returncode}")
    if out:
        part = out.with_suffix(".part")
        part.write_text(done.stdout)
        part.replace(out)


def finish(given, method, settings, seed):
    """Trains and judges one variant, from where it stands."""
    run = given.runs / folder_of(given, method, settings, seed)
    if not (run / "knn.json").exists():
        arguments = [word for a in assignments(settings, seed, given) for word in ("--set", a)]
        call(given.program, "train", method, "--recipe", f"{method}-world-quick", *arguments,
             "--out", str(run), *(["--resume"] if run.exists() else []))
        for what in ("linear", "knn"):
            call(given.program, "evaluate", what, "--block", "features", "--checkpoint", str(run),
                 "--json", out=run / f"{what}.json")
    if settings == {} and not (run / "untrained.json").exists():
        call(given.program, "evaluate", "linear", "--block", "features", "--checkpoint", str(run),
             "--untrained", "--json", out=run / "untrained.json")
    print(f"{run.name}: done", file=sys.stderr, flush=True)


def accuracies(given, method, settings, what):
    """Of the seeds that are there, in per cent."""
    files = [given.runs / folder_of(given, method, settings, seed) / f"{what}.json" for seed in given.seeds]
    return [100 * json.loads(f.read_text())["accuracy"] for f in files if f.exists()]


def show(values):
    spread = f" +- {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{spread}" if values else "-"


def table(given):
    print("| | | linear probe | kNN | seeds |\n| --- | --- | --- | --- | --- |")
    for method in ("simclr", "moco"):
        untrained = accuracies(given, method, {}, "untrained")
        print(f"| {method}, untrained | | {show(untrained)} | | {len(untrained)} |")
    for group, (claim, method, variants) in GROUPS.items():
        for i, (name, settings) in enumerate(variants):
            linear, knn = (accuracies(given, method, settings, what) for what in ("linear", "knn"))
            print(f"| {claim if i == 0 else ''} | {name} | {show(linear)} | {show(knn)} "
                  f"| {len(linear)} |")


def plot(given):
    """A row a variant: every seed a ring, the mean a bar; the untrained network a dashed line."""
    rows, left, right, height = [], 210, 560, 18
    untrained = {m: accuracies(given, m, {}, "untrained") for m in ("simclr", "moco")}
    found = {(g, name): accuracies(given, method, settings, "linear")
             for g, (_, method, variants) in GROUPS.items() for name, settings in variants}
    top = max([50, *(v for values in found.values() for v in values)])
    place = lambda accuracy: left + (right - left) * accuracy / top
    y = 24
    for group, (_, method, variants) in GROUPS.items():
        rows.append(f'<text x="8" y="{y + 4}" font-weight="bold">{method}: {group}</text>')
        begin = y + 8
        for name, _ in variants:
            y += height
            values = found[group, name]
            rows.append(f'<text x="{left - 8}" y="{y + 4}" text-anchor="end">{name}</text>')
            rows += [f'<circle cx="{place(v):.1f}" cy="{y}" r="3.5" fill="none" stroke="#2b6cb0"/>'
                     for v in values]
            if values:
                x = place(statistics.mean(values))
                rows.append(f'<line x1="{x:.1f}" y1="{y - 7}" x2="{x:.1f}" y2="{y + 7}" '
                            'stroke="#1a202c" stroke-width="2"/>')
        if untrained[method]:
            x = place(statistics.mean(untrained[method]))
            rows.append(f'<line x1="{x:.1f}" y1="{begin}" x2="{x:.1f}" y2="{y + 8}" '
                        'stroke="#a0aec0" stroke-dasharray="3 3"/>')
        y += height + 10
    for tick in range(0, int(top) + 1, 10):
        rows.append(f'<text x="{place(tick):.1f}" y="{y}" text-anchor="middle">{tick}</text>')
    rows.append(f'<text x="8" y="{y}">linear probe, %</text>')
    given.plot.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="600" height="{y + 14}" '
        'font-family="sans-serif" font-size="12" fill="#1a202c">'
        f'<rect width="600" height="{y + 14}" fill="white"/>' + "\n".join(rows) + "</svg>\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("runs", type=pathlib.Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--epochs", type=int, help="instead of the recipes'")
    parser.add_argument("--size", type=int, help="pictures of either split, instead of the recipes'")
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time")
    parser.add_argument("--plot", type=pathlib.Path)
    given = parser.parse_args()
    given.runs.mkdir(parents=True, exist_ok=True)
    # All variants of one seed before the next seed: a table of few seeds is whole.
    work = {folder_of(given, method, settings, seed): (method, settings, seed)
            for seed in given.seeds for group in given.only
            for _, method, variants in [GROUPS[group]] for _, settings in variants}
    with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
        for run in [pool.submit(finish, given, *which) for which in work.values()]:
            try:
                run.result()
            except RuntimeError as error:  # the others go on
                print(error, file=sys.stderr, flush=True)
    table(given)
    if given.plot:
        plot(given)


if __name__ == "__main__":
    main()
