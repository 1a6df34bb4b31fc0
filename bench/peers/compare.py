"""The driver of bench/compare.sh: asks our program and PyTorch's in turn (A B A B ..), takes
medians, and says how the two compare; beside GEMM and convolutions oneDNN, where it is built in;
beside bf16 our own f32, with Winograd's convolutions and without.

    compare.py JOB OUR_PROGRAM [--pairs N] [--threads N] [--clock wall|cpu] [--compile]

--clock cpu counts the processes' CPU time instead of the wall's: with --threads 1 the honest clock
of a machine that others use at the same time."""

import argparse
import math
import os
import pathlib
import statistics
import subprocess
import sys

# M, N, K of InfoNCE's two products, of a ViT's layers and their gradients, of a head, of a cube, of attention.
GEMM = ["1 256 65536 128 0 1", "1 256 128 65536 0 0", "1 256 60000 512 0 1", "1 16384 768 192 0 1",
        "1 16384 192 768 0 0", "1 192 768 16384 1 0", "1 4352 576 192 0 1", "1 500 10 512 0 1",
        "1 2048 2048 2048 0 0", "768 65 65 64 0 1"]
# ResNet-18 for 32 pixels: how many layers, and SIZE IN OUT KERNEL STRIDE.
LAYERS = {"32 3 64 3 1": 1, "32 64 64 3 1": 4, "32 64 128 3 2": 1, "32 64 128 1 2": 1,
          "16 128 128 3 1": 3, "16 128 256 3 2": 1, "16 128 256 1 2": 1, "8 256 256 3 1": 3,
          "8 256 512 3 2": 1, "8 256 512 1 2": 1, "4 512 512 3 1": 3}
PASSES = ("forward", "data", "weights")
CONV = {f"conv 128 {layer} {which}": count for layer, count in LAYERS.items() for which in PASSES
        if (layer, which) != ("32 3 64 3 1", "data")}  # nothing asks for the gradient of pictures
NARROW = [f"conv 128 {layer} {which}" for layer in
          ("32 16 16 3 1", "16 32 32 3 1", "8 64 64 3 1") for which in PASSES]
INFONCE = ["65536 128", "60000 512"]
JOBS = {  # name: (pairs, unit, what one unit of work is divided by, requests)
    "resnet18-cifar-train": (12, "images/s", 1, ["train resnet18 128 32 f32"]),
    "resnet18-cifar-train-bf16": (12, "images/s", 1, ["train resnet18 128 32 bf16"]),
    "resnet18-cifar-infer": (12, "images/s", 1, ["infer resnet18 128 32 f32"]),
    "resnet18-cifar-infer-bf16": (12, "images/s", 1, ["infer resnet18 128 32 bf16"]),
    "resnet26-cifar-train": (12, "images/s", 1, ["train resnet26 128 32 f32"]),
    "ttt-step": (12, "views/s", 1, ["adapt resnet26 32 32 f32"]),
    "resnet50-infer": (8, "images/s", 1, ["infer resnet50 8 224 f32"]),
    "gemm": (5, "GFLOP/s", 1e9, ["gemm " + shape for shape in GEMM]),
    "conv": (3, "GFLOP/s", 1e9, list(CONV)),
    "conv-narrow": (5, "GFLOP/s", 1e9, NARROW),
    "optimizer": (12, "GB/s", 1e9, ["optimizer foreach", "optimizer fused"]),
    "infonce": (8, "GFLOP/s", 1e9, ["infonce f32 256 " + shape for shape in INFONCE]),
    "augment-simclr32": (8, "views/s", 1, ["views simclr32"]),
    "augment-moco224": (8, "views/s", 1, ["views moco224"]),
    "decode": (8, "pictures/s", 1, ["decode 375 500 224"]),
    "mae-step": (8, "pictures/s", 1, ["mae 256 0.75"]),
    "mae-step-unmasked": (8, "pictures/s", 1, ["mae 256 0.015625"]),  # 63 of 64 patches are seen
    "vit-infer": (8, "images/s", 1, ["infer vit_tiny 8 224 f32"]),
    "moco-step": (4, "pictures/s", 1, ["moco 256 65536 128"]),
    "infonce-bf16": (3, "GFLOP/s", 1e9, ["infonce bf16 256 " + shape for shape in INFONCE]),
}


# Libraries that choose by the chip are held to the class that AUTODIDACT_ISA=avx2 holds us to.
AVX2 = {"ONEDNN_MAX_CPU_ISA": "AVX2", "DNNL_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2"}


MEMORY = {"mae": "mae 256 0.75", "resnet18": "train resnet18 128 32 f32"}  # a training step each


def compare_memory(network, program, threads):
    """Growth of the resident bytes, from the program's start or PyTorch's import to the peak."""
    here = pathlib.Path(__file__).resolve().parent
    grown, peaks = [], []
    for command in ([program], [sys.executable, str(here / "jobs.py")]):
        answer = subprocess.run([*command, str(threads), "--memory", MEMORY[network]], check=True,
                                stdout=subprocess.PIPE, text=True,
                                env=os.environ | {"OMP_NUM_THREADS": str(threads)})
        start, peak = map(int, answer.stdout.split())
        grown.append((peak - start) / 1e6)
        peaks.append(peak / 1e6)
    print(f"memory {network} ({MEMORY[network]}): grows by {grown[0] / grown[1]:.2f} of PyTorch's (ours "
          f"{grown[0]:.0f}, theirs {grown[1]:.0f} MB); whole process {peaks[0] / peaks[1]:.2f} (ours "
          f"{peaks[0]:.0f}, theirs {peaks[1]:.0f} MB)")


def flop(conv):
    batch, size, channels_in, channels_out, kernel, stride = map(int, conv.split()[1:7])
    return 2 * batch * (size // stride) ** 2 * channels_in * channels_out * kernel ** 2


class Side:
    def __init__(self, *command, threads, held_to={}):
        self.process = subprocess.Popen([*command, str(threads)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True,
                                        env=os.environ | {"OMP_NUM_THREADS": str(threads)} | held_to)
        self.describes, *self.also = self.process.stdout.readline().split()
        self.describes = self.describes.upper()

    def rate(self, request, clock):
        self.process.stdin.write(request + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if len(answer) != 3:
            sys.exit(f"compare: no answer to {request!r}")
        work, wall, cpu = map(float, answer)
        return work / (wall if clock == "wall" else cpu)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("job", choices=[*JOBS, *(f"memory-{network}" for network in MEMORY)])
    parser.add_argument("program")
    parser.add_argument("--pairs", type=int)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--compile", action="store_true")
    given = parser.parse_args()
    if given.job.startswith("memory-"):
        return compare_memory(given.job.removeprefix("memory-"), given.program, given.threads)
    pairs, unit, scale, requests = JOBS[given.job]
    pairs = given.pairs or pairs
    here = pathlib.Path(__file__).resolve().parent
    ours = Side(given.program, threads=given.threads)
    held_to = AVX2 if ours.describes == "AVX2" else {}
    theirs = Side(sys.executable, str(here / "jobs.py"), "--clock", given.clock,
                  *(["--compile"] if given.compile else []), threads=given.threads, held_to=held_to)
    beside = {}  # what else is measured: its side, and its request of ours
    def another():
        return Side(given.program, threads=given.threads, held_to=held_to)

    onednn = "onednn" in ours.also and given.job in ("gemm", "conv", "conv-narrow")
    if onednn:
        beside["oneDNN"] = another(), "onednn {}".format
    if given.job.endswith("-bf16") and given.job.startswith("resnet"):
        beside["our f32"] = another(), lambda request: request.replace("bf16", "f32")
        beside["our f32 without Winograd"] = (another(),
                                              lambda request: "direct " + request.replace("bf16", "f32"))

    def fma_peak():
        return [ours.rate("fma", given.clock) / 1e9 for _ in range(5)]

    peaks = fma_peak()
    fma = statistics.median(peaks)
    stream = statistics.median(ours.rate("stream", given.clock) for _ in range(5)) / 1e9
    print(f"{ours.describes}, PyTorch {theirs.describes}, {given.threads} threads, "
          f"{given.clock} clock; ceilings: {fma:.0f} GFLOP/s fused multiply-adds, "
          f"{stream:.1f} GB/s triad", flush=True)
    ratios, medians, last = [], [], ""  # medians: ours, theirs, those beside
    for request in requests:
        sides = [(ours, request), (theirs, request)]
        sides += [(side, request_of(request)) for side, request_of in beside.values()]
        for side, job in sides:  # sets the job up, warms up
            side.rate(job, given.clock)
        rates = [[side.rate(job, given.clock) / scale for side, job in sides] for _ in range(pairs)]
        a, b, *c = zip(*rates)
        medians.append([statistics.median(side) for side in (a, b, *c)])
        our, their = medians[-1][:2]
        ratios.append(our / their)
        share = ""
        if unit == "GFLOP/s":  # of the ceiling measured just before and just after
            before, peaks = peaks, fma_peak()
            share = f", {100 * our / statistics.median(before + peaks):.0f} % of the multiply-add ceiling"
        if unit == "GB/s":
            share = f", {stream / our:.2f} times a stream of the same bytes"
        spread = sorted(x / y for x, y in zip(a, b))
        clock = "" if given.clock == "wall" else " of CPU time"
        last = (f"{ratios[-1]:.2f} times PyTorch (ours {our:.1f}{share}, theirs {their:.1f} {unit}{clock}; "
                f"{ours.describes}; {pairs} pairs)")
        last += "".join(f"; {our / third:.2f} times {name} ({third:.1f})"
                        for name, third in zip(beside, medians[-1][2:]))
        if len(requests) > 1:
            print(f"{request}: {last}", flush=True)
        else:
            print(f"single pairs: {spread[0]:.2f} to {spread[-1]:.2f}")
    def mean_of(x):
        return math.exp(statistics.mean(map(math.log, x)))

    if onednn:
        best = [our / max(others) for our, *others in medians]
        print(f"{given.job}: {mean_of(our / third for our, _, third in medians):.2f} times oneDNN, "
              f"{mean_of(best):.2f} times the better of both (geometric means; least {min(best):.2f})")
    if given.job == "conv":  # a training step's time in these layers
        times = [sum(count * flop(request) / rate for (request, count), rate in zip(CONV.items(), side))
                 for side in zip(*medians)]
        print("conv: in sum " + ", ".join(f"{other / times[0]:.2f} times {name}"
                                          for name, other in zip(("PyTorch", "oneDNN"), times[1:])))
    if len(requests) > 1:
        mean = mean_of(ratios)
        last = (f"{mean:.2f} times PyTorch (geometric mean of {len(requests)} shapes; "
                f"{ours.describes}; {pairs} pairs)")
    print(f"{given.job}: {last}")


if __name__ == "__main__":
    main()
