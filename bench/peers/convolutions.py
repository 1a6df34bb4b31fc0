# The convolutions of bench/cases/products.cpp in PyTorch: GFLOP/s of CPU time for each pass, in
# both memory formats.   BENCH_THREADS=1 python convolutions.py
import os
import time
import torch

torch.set_num_threads(int(os.environ.get("BENCH_THREADS", "2")))
# batch, size, channels in, out, kernel, stride, padding
SHAPES = [
    (128, 32, 64, 64, 3, 1, 1), (128, 16, 128, 128, 3, 1, 1), (128, 8, 256, 256, 3, 1, 1),
    (128, 4, 512, 512, 3, 1, 1), (128, 32, 64, 128, 3, 2, 1), (128, 32, 64, 128, 1, 2, 0),
    (128, 32, 3, 64, 3, 1, 1), (128, 32, 3, 16, 3, 1, 1), (128, 32, 16, 16, 3, 1, 1),
    (128, 16, 32, 32, 3, 1, 1), (128, 8, 64, 64, 3, 1, 1), (128, 32, 16, 32, 3, 2, 1),
]


def rate(flops, call):
    call()
    best = 1e30
    for _ in range(3):
        rounds, start, begin = 0, time.process_time(), time.perf_counter()
        while time.process_time() - start < 0.15:
            call()
            rounds += 1
        wall = os.environ.get("BENCH_CLOCK") == "wall"
        spent = (time.perf_counter() - begin if wall else time.process_time() - start) / rounds
        best = min(best, spent)
    return flops / best / 1e9


for n, size, c_in, c_out, k, stride, padding in SHAPES:
    row = f"{c_in}-{c_out}@{size}k{k}s{stride}"
    for name, fmt in (("nhwc", torch.channels_last), ("nchw", torch.contiguous_format)):
        x = torch.randn(n, c_in, size, size).to(memory_format=fmt)
        w = torch.randn(c_out, c_in, k, k).to(memory_format=fmt)
        with torch.no_grad():
            y = torch.nn.functional.conv2d(x, w, stride=stride, padding=padding)
        flops = 2.0 * y.numel() * c_in * k * k
        back = torch.ops.aten.convolution_backward
        args = ([0], (stride, stride), (padding, padding), (1, 1), False, (0, 0), 1)
        with torch.no_grad():
            forward = rate(flops, lambda: torch.nn.functional.conv2d(x, w, stride=stride, padding=padding))
            data = rate(flops, lambda: back(y, x, w, *args, (True, False, False)))
            weights = rate(flops, lambda: back(y, x, w, *args, (False, True, False)))
        row += f"  {name} forward {forward:6.1f} data {data:6.1f} weights {weights:6.1f}"
    print(row, flush=True)
