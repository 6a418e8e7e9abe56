"""Makes networks/*.json: what PyTorch computes in float64 for three networks of models/, narrow and on
small images, from weights, images, labels and masks made by a formula. A plain clone holds the engine to
these; the fields are those of ReferenceCase in ../support/reference.ts. Needs make_case.py, which is in
models/README.md."""
import json
import os

import formula
import torch
from make_case import make_case
from nets import CHANNELS, CLASSES, IN_WIDTHS
from safetensors.torch import load_file

SEED, BATCH, SIZE = 5, 4, 16
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "networks")


def fingerprint(values):
    """A tensor by its norm and two of its values."""
    flat = values.flatten()
    at = sorted({len(flat) // 3, len(flat) * 5 // 7})
    return {"norm": rounded(flat.norm()), "at": at, "values": [rounded(flat[i]) for i in at]}


def rounded(value):
    return float(f"{value:.12g}")


def rows(values):
    return [[rounded(v) for v in row] for row in values]


def case(name, net, width, layer):
    formula.fill(net, SEED)
    channels = dict(net.named_modules())[layer].out_channels
    labels = (formula.uniform("labels", BATCH, SEED) * CLASSES).long()
    mask = (formula.uniform("mask", CLASSES * channels, SEED) < 0.3).reshape(CLASSES, channels).float()
    make_case("case.safetensors", name, net, layer, formula.images(BATCH, CHANNELS, SIZE, SEED), labels, mask)
    found = load_file("case.safetensors")
    expected = {key[len("expect."):]: value for key, value in found.items() if key.startswith("expect.")}
    gradients = lambda kind: {
        key: fingerprint(expected[f"{kind}.{key}"]) for key, _ in net.named_parameters()
    }
    logits = expected["logits_train"]
    return {
        **{"seed": SEED, "batch": BATCH, "in_channels": CHANNELS, "num_classes": CLASSES},
        **{"image_size": SIZE, "width": width, "last_conv": layer},
        "labels": labels.tolist(),
        "confusing": logits.scatter(1, labels[:, None], -torch.inf).argmax(1).tolist(),
        "feature_shape": [BATCH, channels, *found["background"].shape[2:]],
        "logits_eval": rows(expected["logits_eval"]),
        "logits_train": rows(logits),
        "aggregate_eval": fingerprint(expected["aggregate_eval"]),
        **{key: rounded(expected[key]) for key in ("loss_cls", "loss_channel", "loss_spatial")},
        **{kind: gradients(kind) for kind in ("grads_cls", "grads_total", "grads_spatial")},
    }


# Layers behind which the network is not linear, so that the constraint has a gradient.
for name, width, layer in (
    ("resnet18", 0.125, "conv4_x.1.residual_function.3"),
    ("mobilenetv2", 0.25, "stage5.2.residual.3"),
    ("squeezenet", 1, "fire7.expand_3x3.0"),
):
    with open(os.path.join(FOLDER, f"{name}.json"), "w") as file:
        json.dump(case(name, IN_WIDTHS[name](width), width, layer), file)
        file.write("\n")
