"""Does the work of a benchmark of this engine in PyTorch, for machines that have it.

    deno task bench --faces --steps --json ours.json
    python3 cli/bench/pytorch.py ours.json > pytorch.json
    deno task bench --faces --steps --compare pytorch.json

The shapes and steps are read from the first file, so nothing is typed in twice. On CUDA everything
is measured twice: with float32 as strict as this engine's, and with TensorFloat-32 where PyTorch
takes it of its own accord. cuDNN searches for its fastest algorithms in both (cudnn.benchmark).

A treat step is written as the authors of the method write it: hooks keep the output of the last
convolution, the gradients of the scores at it are made with create_graph, and the constraint is
summed up sample by sample in Python.
"""

import argparse
import json
import platform
import sys
import time
from statistics import median

import torch
import torch.nn.functional as F
from torch import nn

ALPHA = 10
SGD = dict(lr=1e-4, momentum=0.9, weight_decay=5e-4)


# Networks for 32 x 32 images, as in models/ of this engine.


def conv_norm(inputs, outputs, size, stride=1):
    conv = nn.Conv2d(inputs, outputs, size, stride, padding=size // 2, bias=False)
    return [conv, nn.BatchNorm2d(outputs)]


class Block(nn.Module):
    """relu(F(x) + x); a bottleneck of expansion 4 where `bottleneck`, else two 3 x 3 convolutions."""

    def __init__(self, bottleneck, inputs, width, stride):
        super().__init__()
        outputs = width * (4 if bottleneck else 1)
        if bottleneck:
            parts = [
                *conv_norm(inputs, width, 1), nn.ReLU(inplace=True),
                *conv_norm(width, width, 3, stride), nn.ReLU(inplace=True),
                *conv_norm(width, outputs, 1),
            ]
        else:
            parts = [
                *conv_norm(inputs, width, 3, stride), nn.ReLU(inplace=True),
                *conv_norm(width, width, 3),
            ]
        self.residual_function = nn.Sequential(*parts)
        changes = stride != 1 or inputs != outputs
        self.shortcut = nn.Sequential(*(conv_norm(inputs, outputs, 1, stride) if changes else []))

    def forward(self, x):
        return F.relu(self.residual_function(x) + self.shortcut(x))


def resnet(bottleneck, blocks, classes):
    layers, inputs = [*conv_norm(3, 64, 3), nn.ReLU(inplace=True)], 64
    for stage, count in enumerate(blocks):
        width = 64 << stage
        for i in range(count):
            layers.append(Block(bottleneck, inputs, width, 2 if stage > 0 and i == 0 else 1))
            inputs = width * (4 if bottleneck else 1)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, classes))


def small(classes):
    layers = []
    for inputs, outputs in ((3, 32), (32, 64), (64, 128)):
        layers += [*conv_norm(inputs, outputs, 3), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(2048, classes))


MODELS = {
    "small": small,
    "resnet18": lambda classes: resnet(False, (2, 2, 2, 2), classes),
    "resnet34": lambda classes: resnet(False, (3, 4, 6, 3), classes),
    "resnet50": lambda classes: resnet(True, (3, 4, 6, 3), classes),
    "resnet101": lambda classes: resnet(True, (3, 4, 23, 3), classes),
}


# Work: each maker takes a description and returns a function that queues the work once.


def product(work, device):
    a, b = (torch.rand(work["size"], work["size"], device=device) for _ in range(2))
    return lambda: a @ b


def operands(shape, device):
    """x, w and dy of a convolution, and its stride, padding, dilation and groups."""
    channels = shape["inChannels"] // shape["groups"]
    sizes = (
        (shape["batch"], shape["inChannels"], shape["inHeight"], shape["inWidth"]),
        (shape["outChannels"], channels, shape["kernelHeight"], shape["kernelWidth"]),
        (shape["batch"], shape["outChannels"], shape["outHeight"], shape["outWidth"]),
    )
    tensors = [torch.rand(size, device=device) - 0.5 for size in sizes]
    return tensors, [shape[key] for key in ("stride", "padding", "dilation", "groups")]


def face(work, device):
    (x, w, dy), (stride, padding, dilation, groups) = operands(work["shape"], device)
    if work["face"] == "forward":
        return lambda: F.conv2d(x, w, None, stride, padding, dilation, groups)
    of_input = work["face"] == "input gradient"
    backward = torch.ops.aten.convolution_backward
    return lambda: backward(
        dy, x, w, None, stride, padding, dilation, False, [0, 0], groups,
        [of_input, not of_input, False],
    )


def convolution(work, device):
    (x, w, dy), options = operands(work["shape"], device)
    if not work["gradients"]:
        return lambda: F.conv2d(x, w, None, *options)
    x.requires_grad_(), w.requires_grad_()

    def run():
        y = F.conv2d(x, w, None, *options)
        return y, torch.autograd.grad(y, (x, w), dy)

    return run


def plain_step(work, device):
    layers, size, channels = [], work["size"], work["channels"]
    for inputs, outputs in zip(channels, channels[1:]):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
        size //= 2
    head = nn.Linear(size * size * channels[-1], work["classes"])
    model = nn.Sequential(*layers, nn.Flatten(), head).to(device)
    x, labels = batch(work["batch"], work["classes"], device, work["size"], channels[0])
    return training_step(model, torch.optim.SGD(model.parameters(), lr=work["lr"]), x, labels)


def step(work, device):
    if work["model"] not in MODELS:
        return None
    classes = work["classes"]
    model = MODELS[work["model"]](classes).to(device).train()
    optimizer = torch.optim.SGD(model.parameters(), **SGD)
    x, labels = batch(work["batch"], classes, device)
    if not work["treat"]:
        return training_step(model, optimizer, x, labels)
    return treat_step(model, optimizer, x, labels, classes)


def evaluation(work, device):
    if work["model"] not in MODELS:
        return None
    model = MODELS[work["model"]](work["classes"]).to(device).eval()
    x, _ = batch(work["batch"], work["classes"], device)

    def run():
        with torch.inference_mode():
            return model(x)

    return run


def batch(count, classes, device, size=32, channels=3):
    x = torch.rand(count, channels, size, size, device=device) * 2 - 1
    return x, torch.randint(classes, (count,), device=device)


def training_step(model, optimizer, x, labels):
    def run():
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(model(x), labels).backward()
        optimizer.step()

    return run


def treat_step(model, optimizer, x, labels, classes):
    layer = [module for module in model.modules() if isinstance(module, nn.Conv2d)][-1]
    mask = torch.randint(2, (classes, layer.out_channels), device=x.device).float()
    outputs = []
    layer.register_forward_hook(lambda module, inputs, output: outputs.append(output))

    def run():
        outputs.clear()
        optimizer.zero_grad(set_to_none=True)
        logits = model(x)
        loss = F.cross_entropy(logits, labels)
        (loss + ALPHA * channel_constraint(logits, labels, outputs[-1], mask)).backward()
        optimizer.step()

    return run


def channel_constraint(logits, labels, features, mask):
    """The strongest other class's response on its own kernels, and the label's on all others."""
    first, second = logits.detach().topk(2).indices.unbind(1)
    confusing = torch.where(first == labels, second, first)

    def responses(of):
        score = -F.nll_loss(logits, of)
        return torch.autograd.grad(score, features, create_graph=True)[0].relu().sum((2, 3))

    own, other = responses(labels), responses(confusing)
    total = 0
    for b in range(len(labels)):
        total = total + torch.sum(other[b] * mask[confusing[b]])
        total = total + torch.sum(own[b] * (1 - mask[labels[b]]))
    return total / len(labels)


MAKERS = {
    "product": product,
    "face": face,
    "convolution": convolution,
    "plain step": plain_step,
    "step": step,
    "evaluation": evaluation,
}


# Timing.


def measure(run, rounds, window, wait):
    """Seconds for the work done once, a figure from each round of `window` milliseconds."""
    def turn(repeats):
        wait()
        begun = time.perf_counter()
        for _ in range(repeats):
            run()
        wait()
        return time.perf_counter() - begun

    turn(3)  # cuDNN searches for its algorithms
    repeats = 1
    while (spent := turn(repeats)) < window / 2000:
        repeats *= 2
    repeats = max(1, round(repeats * window / 1000 / spent))
    return [turn(repeats) / repeats for _ in range(rounds)]


def modes(device):
    """Names of the ways to compute, and what turns each on."""
    name = f"PyTorch {torch.__version__} {device}"
    if device == "cpu":
        return {f"{name}, float32": lambda: None}
    convolutions, products = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32

    def allow(in_convolutions, in_products):
        torch.backends.cudnn.allow_tf32 = in_convolutions
        torch.backends.cuda.matmul.allow_tf32 = in_products

    return {
        f"{name}, float32 strict": lambda: allow(False, False),
        f"{name}, its defaults": lambda: allow(convolutions, products),
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ours", metavar="OURS.json", help="from deno task bench --json")
    parser.add_argument("--device", choices=("cuda", "cpu"), help="default: CUDA where there is one")
    parser.add_argument("--rounds", type=int, default=5, help="times that each is timed")
    parser.add_argument("--window", type=float, default=300, help="milliseconds of work at once")
    args = parser.parse_args()

    device = args.device or ("cuda" if torch.cuda.is_available() else "cpu")
    on_cuda = device == "cuda"
    wait = torch.cuda.synchronize if on_cuda else lambda: None
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(0)
    try:
        with open(args.ours) as file:
            ours = [r for r in json.load(file)["results"] if r["engine"] == "this engine"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"error: {args.ours} holds no results of deno task bench --json: {error}")

    results = []
    for engine, turn_on in modes(device).items():
        turn_on()
        for i, result in enumerate(ours):
            run = MAKERS[result["work"]["kind"]](result["work"], device)
            if run is None:
                print(f"left out, not written here: {result['name']}", file=sys.stderr)
                continue
            print(f"{engine}  {i + 1}/{len(ours)}  {result['name']}", file=sys.stderr)
            rounds = measure(run, args.rounds, args.window, wait)
            kept = {key: result[key] for key in ("group", "name", "work", "flops") if key in result}
            results.append({**kept, "engine": engine, "seconds": median(rounds), "rounds": rounds})
    adapter = torch.cuda.get_device_name() if on_cuda else f"CPU, {torch.get_num_threads()} threads"
    system = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    json.dump({"adapter": adapter, "system": system, "results": results}, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
