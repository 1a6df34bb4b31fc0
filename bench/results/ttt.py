#!/usr/bin/env python3
"""Test-time training on CIFAR-10: every `adapt` run behind the tables of docs/results/ttt.md, and
the tables. One thread a run, so that jobs share the cores.

    ttt.py PROGRAM CHECKPOINT DATA RUNS [--only NAME ..] [--jobs N]

RUNS keeps what is finished: the same command goes on from there. A table is printed as soon as all
that it shows is there."""

import argparse
import concurrent.futures
import json
import math
import pathlib
import statistics
import subprocess

ALL = ["--corruption", "all:5", "--samples", "1000"]
THREE = ["--corruption", "gaussian_noise:5,defocus_blur:5,fog:5", "--samples", "200"]
TURNS = ["--corruption", "all:5", "--in-turn", "--order", "by_label", "--samples", "1334"]
# A reset every 500 pictures (RDumb, Press et al. 2023, has 1,000), which streams of 1,000 feel too, and
# where the snapshot was better.
RAILS = ["--set", "reset_every=500", "--set", "alarm_window=100"]
ONLINE, STANDARD = ["--mode", "online"], ["--mode", "standard"]
JOBS = {
    "online": [*ONLINE, *ALL],
    "standard": [*STANDARD, "--learning-rate", "0.01", *ALL],
    "full": [*ONLINE, "--corruption", "gaussian_noise:5"],
    "gradual": [*ONLINE, "--corruption", "gaussian_noise:5", "--gradual", "--samples", "5000"],
    "clean": [*ONLINE, "--corruption", "none", "--samples", "1000"],
    "ten": [*STANDARD, "--steps", "10", *THREE],
    "control": [*ONLINE, "--set", "turn_labels=random", *ALL],
    "rails": [*ONLINE, *RAILS, *ALL],
    "turns-rails": [*ONLINE, *RAILS, *TURNS],
    "turns": [*ONLINE, *TURNS],
    "gradients": [*STANDARD, "--gradients", "--corruption", "all", "--samples", "100"],
}
WINDOW = 2000


def adapt(given, name):
    out = given.runs / name
    if not (out / "result.json").exists():
        resume = ["--resume"] if out.exists() else []
        done = subprocess.run([given.program, "adapt", "--checkpoint", given.checkpoint, "--data", given.data,
                               *JOBS[name], "--threads", "1", "--out", out, "--json", *resume],
                              stdout=subprocess.PIPE, text=True, check=True)
        part = out / "result.json.part"
        part.write_text(done.stdout)
        part.rename(out / "result.json")
    return name


class Results:
    """What is finished of RUNS."""

    def __init__(self, runs):
        self.runs = runs

    def has(self, *names):
        return all((self.runs / name / "result.json").exists() for name in names)

    def streams(self, name):
        lines = (self.runs / name / "metrics.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def summary(self, name):
        return json.loads((self.runs / name / "result.json").read_text())


def gains(stream):
    """Picture by picture: 1 where adapting put it right, -1 where it put it wrong."""
    return [int(now) - int(before) for now, before in zip(stream["right"], stream["right_none"])]


def change_of(part):
    """The error's change in points, and its standard error, paired by picture."""
    return -100 * statistics.mean(part), 100 * statistics.stdev(part) / math.sqrt(len(part))


def shown(change, error):
    return f"{change:+.1f} ({change - 1.96 * error:+.1f} to {change + 1.96 * error:+.1f})"


def table_of_corruptions(results):
    names = [n for n in ("online", "standard", "control", "rails") if results.has(n)]
    print("| corruption, severity 5 | joint | " + " | ".join(names) + " |\n| --- | --- |" + " --- |" * len(names))
    streams = {n: results.streams(n) for n in names}
    for row in zip(*streams.values()):
        print(f"| {row[0]['corruption'].split(':')[0]} | {row[0]['error_none']:.1f} | "
              + " | ".join(f"{s['error']:.1f}" for s in row) + " |")
    totals = {n: results.summary(n) for n in names}
    print(f"| mean | {totals[names[0]]['error_none']:.1f} | "
          + " | ".join(f"{t['error']:.1f}" for t in totals.values()) + " |")
    print("| change, 95 % interval | | " + " | ".join(
        f"{t['difference']:+.1f} ({t['difference'] - t['half_interval']:+.1f} to "
        f"{t['difference'] + t['half_interval']:+.1f})" for t in totals.values()) + " |")
    for name, rows in streams.items():
        print(f"{name}: lower on {sum(s['difference'] < 0 for s in rows)} of {len(rows)}; "
              f"{totals[name]['seconds_per_sample'] * sum(s['samples'] for s in rows) / 60:.0f} minutes of one thread")
    print()


def table_of_parts(results, name, parts):
    (stream,) = results.streams(name)
    print(f"{name}: {stream['samples']} pictures, joint {stream['error_none']:.1f}, {stream['error']:.1f} %: "
          + shown(*change_of(gains(stream))))
    size = stream["samples"] // parts
    for p in range(parts):
        place = slice(p * size, (p + 1) * size)
        wrong = [100 * (1 - statistics.mean(map(int, stream[side][place]))) for side in ("right_none", "right")]
        print(f"  {p * size + 1} to {(p + 1) * size}: {wrong[0]:.1f} -> {wrong[1]:.1f}: "
              + shown(*change_of(gains(stream)[place])))
    print()


def worst_window(results, name):
    """Of every window of the stream, that which exceeds 1 point plus three standard errors by most."""
    (stream,) = results.streams(name)
    each = gains(stream)
    parts = [(*change_of(each[i:i + WINDOW]), i) for i in range(0, len(each) - WINDOW + 1, 20)]
    change, error, first = max(parts, key=lambda part: part[0] - 1 - 3 * part[1])
    print(f"{name}: {stream['samples']} pictures, error {stream['error_none']:.1f} -> {stream['error']:.1f} %, "
          f"{stream['alarms']} alarms; the worst window of {WINDOW} begins at {first}: {change:+.1f} points, "
          f"allowed {1 + 3 * error:.1f}\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("checkpoint")
    parser.add_argument("data")
    parser.add_argument("runs", type=pathlib.Path)
    parser.add_argument("--only", nargs="+", choices=JOBS, default=list(JOBS))
    parser.add_argument("--jobs", type=int, default=1)
    given = parser.parse_args()
    given.runs.mkdir(parents=True, exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(given.jobs) as pool:
        list(pool.map(lambda name: adapt(given, name), given.only))

    results = Results(given.runs)
    if results.has("online"):
        table_of_corruptions(results)
    for name in ("ten", "clean"):
        if results.has(name):
            for s in results.streams(name):
                print(f"{name}, {s['corruption']}: {s['error_none']:.1f} -> {s['error']:.1f}: "
                      + shown(*change_of(gains(s))))
            print()
    for name, parts in (("full", 10), ("gradual", 5)):
        if results.has(name):
            table_of_parts(results, name, parts)
    for name in ("turns", "turns-rails"):
        if results.has(name):
            worst_window(results, name)
    if results.has("online", "rails"):
        kept, whole = (results.summary(n)["difference"] for n in ("rails", "online"))
        print(f"the rails keep {100 * kept / whole:.0f} % of the gain on shuffled streams\n")
    if results.has("gradients"):
        r = results.summary("gradients")["gradient_correlation"]
        print(f"gradients: r = {r['r']:.2f} over {r['streams']} streams\n")


if __name__ == "__main__":
    main()
