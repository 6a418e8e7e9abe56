"""Makes onnx/*.onnx.gz.gz and onnx/*.json: every classifier of models/ and seven that are not there, as PyTorch
exports them; and what it computes of the seven in float64: logits, and the gradients of cross entropy and of a
penalty on a gradient, so of second order. Weights, images and labels come from the formula, so the files hold but a
number for each tensor, and are packed twice, which leaves little of it. PyTorch 1.13 or later, and nothing else
(Debian: python3-torch)."""
import gzip
import io
import json
import os
import sys

import formula
import torch
import torch.nn as nn
import torch.nn.functional as F
from nets import CHANNELS, CLASSES, IN_ONE_WIDTH, IN_WIDTHS
from nets.foreign import FOREIGN, Keras

SEED, BATCH = 5, 4
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "onnx")

# Those that networks/*.json are about are as wide as there, and for the images there; others are an eighth as wide,
# or what comes next to it.
STAND_INS = {"resnet18": 1 / 8, "mobilenetv2": 1 / 4, "squeezenet": 1}
WIDTHS = {**STAND_INS, "shufflenetv2": 0.5}


def export(name, net, x):
    """With weights that are not the formula's: one number for each tensor, no two the same."""
    for i, value in enumerate(net.state_dict().values()):
        if value.is_floating_point():
            value.fill_(1 + i / 1024)
    file = io.BytesIO()
    torch.onnx.export(
        net.float().eval(), x.float(), file, input_names=["x"], opset_version=17, do_constant_folding=False,
        training=torch.onnx.TrainingMode.PRESERVE, dynamic_axes={"x": {0: "batch"}},
    )
    with open(os.path.join(FOLDER, f"{name}.onnx.gz.gz"), "wb") as out:
        out.write(gzip.compress(gzip.compress(file.getvalue(), mtime=0), mtime=0))


def rounded(value):
    return float(f"{float(value):.12g}")


def case(net, layer, x):
    formula.fill(net, SEED)
    net.double()
    labels = (formula.uniform("labels", BATCH, SEED) * CLASSES).long()
    logits_of = lambda out: out.log() if isinstance(net, Keras) else out  # up to a number for each image
    seen = []

    def keep(module, inputs, output):  # a copy goes on: what follows may work in place
        seen.append(output)
        return output.clone()

    dict(net.named_modules())[layer].register_forward_hook(keep)
    evaluated = logits_of(net.eval()(x))
    for module in net.train().modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    logits = logits_of(net(x))
    own = torch.autograd.grad(F.log_softmax(logits, 1).gather(1, labels[:, None]).mean(), seen[-1], create_graph=True)[0]
    losses = {"cross_entropy": F.cross_entropy(logits, labels), "penalty": own.abs().sum()}
    gradients = lambda loss: {
        name: None if g is None else [rounded(g.norm()), rounded(g.flatten()[g.numel() // 2])]
        for (name, _), g in zip(
            net.named_parameters(),
            torch.autograd.grad(loss, list(net.parameters()), retain_graph=True, allow_unused=True),
        )
    }
    return {
        **{"seed": SEED, "batch": BATCH, "size": 16, "layer": layer, "labels": labels.tolist()},
        "log_softmax": [[rounded(v) for v in row] for row in F.log_softmax(evaluated, 1)],
        **{name: {"loss": rounded(loss), "gradients": gradients(loss)} for name, loss in losses.items()},
    }


def images(size):
    return formula.images(BATCH, CHANNELS, size, SEED)


def size_of(name):
    if name.startswith("torchvision"):
        return 224 if name == "torchvision_vgg16_bn" else 64  # its average over 7 x 7 is exported for 7 x 7 only
    return 16 if name in STAND_INS else 32


asked = sys.argv[1:]  # names, or all of them
for name, (make, layer) in FOREIGN.items():
    if asked and name not in asked:
        continue
    x = images(16).permute(0, 2, 3, 1) if make is Keras else images(16)
    with open(os.path.join(FOLDER, f"{name}.json"), "w") as file:
        json.dump(case(make(), layer, x.double()), file)
        file.write("\n")
    export(name, make(), x)
for name, make in IN_WIDTHS.items():
    if not asked or name in asked:
        export(name, make(WIDTHS.get(name, 1 / 8)), images(size_of(name)))
for name, make in IN_ONE_WIDTH.items():
    if not asked or name in asked:
        export(name, make(), images(size_of(name)))
