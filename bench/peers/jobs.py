"""PyTorch's side of bench/compare.sh: takes the request lines of bench/jobs.cpp, answers the same way.
PyTorch gets its best: for each job the fastest of contiguous and channels_last memory, and with
--compile also of torch.compile where that works; which one is said on standard error.

    jobs.py THREADS [--clock wall|cpu] [--compile]
    jobs.py THREADS --memory JOB    bytes before JOB and at its peak, of the way that needs least
    jobs.py THREADS --saved JOB     what each kind of op keeps for the backward pass of a training step"""

import argparse
import itertools
import os
import resource
import sys
import time

import torch

import masked
import networks

FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def network_runs(kind, name, batch, size, dtype, compiling):
    """bf16: the whole network in it, and by autocast."""
    batch, size = int(batch), int(size)
    small = size < 64
    half = torch.bfloat16
    stored = {"f32": [("", torch.float32, False)],
              "bf16": [(" bf16", half, False), (" autocast", torch.float32, True)]}[dtype]
    for format_name, layout in FORMATS.items():
        for (stored_name, storage, casting), compiled in itertools.product(
                stored, (False, True) if compiling else (False,)):
            torch.manual_seed(0)
            if name == "vit_tiny":
                net = masked.Classifier(size, 16, 192, 12, 3, 10 if small else 1000)
            else:
                net = networks.build(name, classes=10 if small else 1000, imagenet_stem=not small)
            net = net.to(storage, memory_format=layout).train(kind != "infer")
            images = torch.randn(batch, 3, size, size).to(storage, memory_format=layout)
            labels = torch.arange(batch) % 10
            momentum, decay = (0, 0) if kind == "adapt" else (0.9, 5e-4)  # adapt: a test-time step
            optimizer = torch.optim.SGD(net.parameters(), 0.01, momentum, weight_decay=decay,
                                        fused=True)
            call = torch.autocast("cpu", half)(net) if casting else net
            call = torch.compile(call) if compiled else call

            def step(call=call, images=images, labels=labels, optimizer=optimizer):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(call(images), labels).backward()
                optimizer.step()

            def look(call=call, images=images):
                with torch.inference_mode():
                    call(images)

            yield (format_name + stored_name + (" compiled" if compiled else ""),
                   look if kind == "infer" else step, batch)


def gemm_runs(batch, m, n, k, transpose_a, transpose_b):
    batch, m, n, k = int(batch), int(m), int(n), int(k)
    a = torch.randn(batch, k, m).mT if int(transpose_a) else torch.randn(batch, m, k)
    b = torch.randn(batch, n, k).mT if int(transpose_b) else torch.randn(batch, k, n)
    if batch == 1:
        a, b = a[0], b[0]
    out = a @ b
    yield "matmul", lambda: torch.matmul(a, b, out=out), 2.0 * batch * m * n * k


def conv_runs(n, size, channels_in, channels_out, kernel, stride, which):
    n, size, channels_in, channels_out, kernel, stride = map(
        int, (n, size, channels_in, channels_out, kernel, stride))
    pad = kernel // 2
    for format_name, layout in FORMATS.items():
        x = torch.randn(n, channels_in, size, size).to(memory_format=layout)
        w = torch.randn(channels_out, channels_in, kernel, kernel).to(memory_format=layout)
        y = torch.nn.functional.conv2d(x, w, stride=stride, padding=pad)
        flop = 2.0 * y.numel() * channels_in * kernel * kernel
        if which == "forward":
            def run(x=x, w=w):
                torch.nn.functional.conv2d(x, w, stride=stride, padding=pad)
        else:
            wanted = (which == "data", which == "weights", False)

            def run(x=x, w=w, y=y):
                torch.ops.aten.convolution_backward(y, x, w, [0], (stride, stride), (pad, pad),
                                                    (1, 1), False, (0, 0), 1, wanted)
        yield format_name, run, flop


def optimizer_runs(kind):
    """SGD with momentum over ResNet-18's tensors, a weight average and the weights' bf16 copy, each an
    operation over all tensors at once."""
    weights = list(networks.build("resnet18").parameters())
    for w in weights:
        w.grad = torch.randn_like(w)
    averages = [w.detach().clone() for w in weights]
    copies = [w.detach().bfloat16() for w in weights]
    optimizer = torch.optim.SGD(weights, 0.01, momentum=0.9, weight_decay=5e-4, **{kind: True})

    @torch.no_grad()
    def step():
        optimizer.step()
        torch._foreach_lerp_(averages, weights, 0.001)
        torch._foreach_copy_(copies, weights)

    yield kind, step, (7 * 4 + 2) * sum(w.numel() for w in weights)


def infonce_runs(dtype, batch, keys, dim, compiling):
    """MoCo's loss as its authors write it (queue: [dim, keys]), the same by logsumexp without the
    wide matrix of all logits; then backward to q. bf16 is widened first, and tried as it is."""
    batch, keys, dim, t = int(batch), int(keys), int(dim), 0.07
    stored = torch.bfloat16 if dtype == "bf16" else torch.float32
    unit = torch.nn.functional.normalize
    q = unit(torch.randn(batch, dim)).to(stored).requires_grad_()
    k = unit(torch.randn(batch, dim)).to(stored)
    queues = {"[D, K]": unit(torch.randn(dim, keys), dim=0).to(stored),
              "[K, D]": unit(torch.randn(keys, dim)).to(stored).T}
    labels = torch.zeros(batch, dtype=torch.long)

    def moco(q, k, queue):
        l_pos = torch.einsum("nc,nc->n", [q, k]).unsqueeze(-1)
        l_neg = torch.einsum("nc,ck->nk", [q, queue.clone().detach()])
        logits = torch.cat([l_pos, l_neg], dim=1)
        logits /= t
        return torch.nn.functional.cross_entropy(logits, labels)

    def logsumexp(q, k, queue):
        q = q / t
        l_pos = (q * k).sum(1)
        return (torch.logaddexp(torch.logsumexp(q @ queue, 1), l_pos) - l_pos).mean()

    for loss in (moco, logsumexp):
        for layout, queue in queues.items():
            for compiled in (False, True) if compiling else (False,):
                for wide in (True, False) if dtype == "bf16" and layout == "[D, K]" else (True,):
                    call = torch.compile(loss) if compiled else loss

                    def run(call=call, queue=queue, wide=wide):
                        q.grad = None
                        if wide:
                            call(q.float(), k.float(), queue.float()).backward()
                        else:
                            call(q, k, queue).backward()

                    yield (f"{loss.__name__} {layout}" + (" compiled" if compiled else "")
                           + ("" if wide else " in bf16"), run, 4.0 * batch * keys * dim)


def views_runs(kind):
    """torchvision, a picture at a time as a DataLoader's worker does: of PIL pictures, and of uint8
    tensors by its second version."""
    import PIL.ImageFilter
    import random
    from torchvision import transforms
    from torchvision.transforms import v2
    large = kind == "moco224"
    side, size, views = (256, 224, 16) if large else (32, 32, 256)
    area = (0.2, 1.0) if large else (0.08, 1.0)
    wave = torch.arange(views * side * side * 3).reshape(views, side, side, 3)
    pictures = (128 + 100 * torch.sin(wave * 0.01) + torch.randint(20, wave.shape)).to(torch.uint8)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

    def moco_blur(picture):  # MoCo's loader.py
        return picture.filter(PIL.ImageFilter.GaussianBlur(random.uniform(0.1, 2.0)))

    def steps(t, blur):
        return [t.RandomResizedCrop(size, scale=area, antialias=True), t.RandomHorizontalFlip(),
                t.RandomApply([t.ColorJitter(0.4, 0.4, 0.4, 0.1)], 0.8), t.RandomGrayscale(0.2),
                *([t.RandomApply([blur], 0.5)] if large else [])]

    of_pil = transforms.Compose([*steps(transforms, moco_blur), transforms.ToTensor(),
                                 transforms.Normalize(mean, std)])
    of_tensor = v2.Compose([*steps(v2, v2.GaussianBlur(23, (0.1, 2.0))),
                            v2.ToDtype(torch.float32, scale=True), v2.Normalize(mean, std)])
    pil = [transforms.functional.to_pil_image(p.permute(2, 0, 1)) for p in pictures]
    tensors = [p.permute(2, 0, 1).contiguous() for p in pictures]
    yield "PIL", lambda: [of_pil(p) for p in pil], views
    yield "v2 tensors", lambda: [of_tensor(p) for p in tensors], views


def photograph(height, width, seed):
    """PIL: that of jobs.cpp, but for its noise."""
    from torchvision.transforms.functional import to_pil_image
    values = torch.arange(height * width * 3).reshape(height, width, 3).double()
    wave = 118 + 100 * torch.sin(values * 0.01 + seed) + torch.randint(20, values.shape)
    return to_pil_image(wave.to(torch.uint8).permute(2, 0, 1).contiguous())


def decode_runs(height, width, side):
    """torchvision: resize, then the central square, as its transforms for judging; or the square
    first, which is less to resize."""
    import io
    import PIL.Image
    import torchvision
    from torchvision.transforms import v2
    height, width, side = int(height), int(width), int(side)
    files = []
    for i in range(16):
        buffer = io.BytesIO()
        photograph(height, width, i).save(buffer, "JPEG", quality=90)
        files.append(buffer.getvalue())
    tensors = [torch.frombuffer(bytearray(f), dtype=torch.uint8) for f in files]
    whole_first = v2.Compose([v2.Resize(side, antialias=True), v2.CenterCrop(side)])
    square_first = v2.Compose([v2.CenterCrop(min(height, width)), v2.Resize(side, antialias=True)])
    for name, steps in (("resized, then cut", whole_first), ("cut, then resized", square_first)):
        def of_pil(steps=steps):
            for f in files:
                steps(PIL.Image.open(io.BytesIO(f)).convert("RGB"))

        def of_tensor(steps=steps):
            for t in tensors:
                steps(torchvision.io.decode_jpeg(t))

        yield f"PIL, {name}", of_pil, len(files)
        yield f"decode_jpeg, {name}", of_tensor, len(files)


def moco_runs(batch, keys, dim):
    """MoCo's step as its authors' CIFAR-10 notebook writes it, with plain BatchNorm, which is
    faster than the notebook's split one; the views by torchvision in as many threads as PyTorch
    has."""
    import concurrent.futures
    import copy
    from torchvision import transforms
    batch, keys, dim, m, t = int(batch), int(keys), int(dim), 0.99, 0.1
    pictures = [photograph(32, 32, i) for i in range(batch)]
    view = transforms.Compose([
        transforms.RandomResizedCrop(32, antialias=True), transforms.RandomHorizontalFlip(),
        transforms.RandomApply([transforms.ColorJitter(0.4, 0.4, 0.4, 0.1)], 0.8),
        transforms.RandomGrayscale(0.2), transforms.ToTensor(),
        transforms.Normalize((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))])
    pool = concurrent.futures.ThreadPoolExecutor(torch.get_num_threads())
    unit = torch.nn.functional.normalize
    for format_name, layout in FORMATS.items():
        torch.manual_seed(0)
        query = networks.resnet(18, 64, False, dim).to(memory_format=layout).train()
        key = copy.deepcopy(query).requires_grad_(False)
        optimizer = torch.optim.SGD(query.parameters(), 0.06, momentum=0.9, weight_decay=5e-4,
                                    fused=True)
        state = {"queue": unit(torch.randn(dim, keys), dim=0), "next": 0}

        def views(layout=layout):
            return torch.stack(list(pool.map(view, pictures))).to(memory_format=layout)

        def step(query=query, key=key, optimizer=optimizer, state=state, views=views):
            first, second = views(), views()
            with torch.no_grad():
                torch._foreach_lerp_(list(key.parameters()), list(query.parameters()), 1 - m)
                order = torch.randperm(batch)
                k = unit(key(second[order]))[torch.argsort(order)]
            q = unit(query(first))
            queue = state["queue"]
            logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue.clone().detach()], 1) / t
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(logits, torch.zeros(batch, dtype=torch.long)).backward()
            optimizer.step()
            queue[:, state["next"]:state["next"] + batch] = k.T
            state["next"] = (state["next"] + batch) % keys

        yield format_name, step, batch


def mae_runs(batch, mask, compiling):
    """The released code's step: masks are drawn by sorting noise, attention is PyTorch's own."""
    batch, mask, side, patch = int(batch), float(mask), 32, 4
    patches = (side // patch) ** 2
    kept = int(patches * (1 - mask))
    images = torch.randn(batch, 3, side, side)
    for compiled in (False, True) if compiling else (False,):
        torch.manual_seed(0)
        net = masked.MaskedAutoencoder(side, patch, 192, 12, 3, 128, 4, 4)
        optimizer = torch.optim.AdamW(masked.decayed(net, 0.05), 1e-4, betas=(0.9, 0.95), fused=True)
        loss = torch.compile(net.loss) if compiled else net.loss

        def step(loss=loss, optimizer=optimizer):
            optimizer.zero_grad()
            loss(images, masked.visible_patches(batch, patches, kept), False).backward()
            optimizer.step()

        yield "compiled" if compiled else "eager", step, batch


def runs(request, compiling):
    kind, *rest = request.split()
    if kind in ("train", "adapt", "infer"):
        yield from network_runs(kind, *rest, compiling)
    elif kind == "optimizer":
        yield from optimizer_runs(*rest)
    elif kind == "gemm":
        yield from gemm_runs(*rest)
    elif kind == "conv":
        yield from conv_runs(*rest)
    elif kind == "infonce":
        yield from infonce_runs(*rest, compiling)
    elif kind == "views":
        yield from views_runs(*rest)
    elif kind == "decode":
        yield from decode_runs(*rest)
    elif kind == "moco":
        yield from moco_runs(*rest)
    elif kind == "mae":
        yield from mae_runs(*rest, compiling)
    else:
        sys.exit("jobs.py: train, adapt, infer, optimizer, gemm, conv, infonce, views, decode, moco "
                 f"or mae, got {request}")


def measure(run, least):
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu, begin, rounds, seconds = usage.ru_utime + usage.ru_stime, time.perf_counter(), 0, 0
    while seconds < least or rounds == 0:
        run()
        rounds += 1
        seconds = time.perf_counter() - begin
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return rounds, seconds, usage.ru_utime + usage.ru_stime - cpu


def best(request, clock, compiling):
    """The fastest way to run a job on this clock, by a short measurement."""
    found = []
    for name, run, work in runs(request, compiling):
        try:
            run()  # warms up, compiles
            _, wall, cpu = measure(run, 0)
            if found and (wall if clock == "wall" else cpu) > 10 * found[0][0]:
                continue  # bf16 without instructions for it
        except Exception as error:  # torch.compile needs a compiler it can use
            if "compiled" not in name:
                raise
            print(f"PyTorch: {name} does not work here: {str(error).splitlines()[0]}",
                  file=sys.stderr)
            continue
        rounds, wall, cpu = measure(run, 0.25)
        found.append(((wall if clock == "wall" else cpu) / rounds, name, run, work))
    found.sort(key=lambda row: row[0])
    others = ", ".join(f"{name} {found[0][0] / spent:.2f}" for spent, name, _, _ in found[1:])
    print(f"PyTorch runs {request} {found[0][1]}" + (f" ({others} of its speed)" if others else ""),
          file=sys.stderr)
    return found[0][2:]


def resident(which):
    """Bytes: VmRSS, now; VmHWM, the most since the process began."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(which))


def memory(request):
    """Each way to run a job in a process of its own, for three rounds; this one never computes."""
    found, way = [], 0
    while True:
        reading, writing = os.pipe()
        if os.fork() == 0:
            start = resident("VmRSS")
            for number, (name, run, _) in enumerate(runs(request, False)):
                if number == way:
                    for _ in range(3):
                        run()
                    os.write(writing, f"{start} {resident('VmHWM')} {name}".encode())
                    os._exit(0)
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as answer:
            words = answer.read().split(maxsplit=2)
        if not words:
            break
        start, peak = map(int, words[:2])
        found.append((peak - start, start, peak, words[2]))
        way += 1
    _, start, peak, name = min(found)
    print(f"PyTorch runs {request} {name}", file=sys.stderr)
    print(start, peak)


def saved(request):
    """By kind of op, in millions of bytes; what several keep counts for the oldest of them. Parameters
    are left out. `hooks`: all that saved_tensors_hooks see."""
    *_, (name, step, _) = runs(request, False)
    seen, weights = {}, set()

    def pack(t):
        storage = t.untyped_storage()
        seen[storage.data_ptr()] = storage.nbytes()
        return t

    def count(loss, *_, **__):
        by_op, counted, nodes, work = {}, set(weights), {}, [loss.grad_fn]
        while work:
            node = work.pop()
            if node not in nodes:
                nodes[node] = node._sequence_nr() if hasattr(node, "_sequence_nr") else 0
                work += [n for n, _ in node.next_functions if n is not None]
        for node in sorted(nodes, key=nodes.get):
            if hasattr(node, "variable"):
                continue
            op = type(node).__name__.removesuffix("0").removesuffix("Backward")
            for attribute in dir(node):
                t = getattr(node, attribute) if attribute.startswith("_saved_") else None
                for each in t if isinstance(t, (list, tuple)) else (t,):
                    if torch.is_tensor(each) and each.untyped_storage().data_ptr() not in counted:
                        counted.add(each.untyped_storage().data_ptr())
                        by_op[op] = by_op.get(op, 0) + each.untyped_storage().nbytes()
        for op, kept in by_op.items():
            if kept > 1e5:
                print(f"{op:40s} {1e-6 * kept:8.1f}")
        print(f"{'all':40s} {1e-6 * sum(by_op.values()):8.1f}")
        print(f"{'hooks':40s} {1e-6 * sum(n for p, n in seen.items() if p not in weights):8.1f}")
        sys.exit()

    def zero_grad(optimizer, *_, **__):
        for group in optimizer.param_groups:
            weights.update(p.untyped_storage().data_ptr() for p in group["params"])

    torch.optim.Optimizer.zero_grad = zero_grad
    torch.Tensor.backward = count  # in place of the step's backward pass
    print(f"PyTorch runs {request} {name}", file=sys.stderr)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        step()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("threads", type=int)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--memory", metavar="JOB")
    parser.add_argument("--saved", metavar="JOB")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.memory:
        return memory(given.memory)
    if given.saved:
        return saved(given.saved)
    print(torch.__version__, flush=True)
    current = run = work = None
    for request in sys.stdin:
        if request != current:
            run, work = best(request.strip(), given.clock, given.compile)
            current = request
        rounds, seconds, cpu = measure(run, 0.25)
        print(work * rounds, seconds, cpu, flush=True)


if __name__ == "__main__":
    main()
