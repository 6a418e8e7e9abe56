"""Makes torchvision_logits.json: for torchvision's ImageNet classifiers the parameters, a digest of the
state dict's keys and shapes, and the logits in float64 of weights and images made by a formula."""
import hashlib
import json
import zlib

import numpy
import torch
import torchvision.models as models

SEED, BATCH, CLASSES, SIZE = 3, 4, 10, 64
NAMES = ["resnet18", "resnet34", "resnet50", "vgg16_bn", "mobilenet_v2", "densenet121", "googlenet"]


def uniform(name, count):
    """Numbers in [0, 1): an integer hash of the index, the name and the seed."""
    start = (zlib.crc32(name.encode()) + SEED * 0x85EBCA6B) & 0xFFFFFFFF
    x = numpy.arange(count, dtype=numpy.uint32) * numpy.uint32(0x9E3779B1) + numpy.uint32(start)
    x = (x ^ x >> 16) * numpy.uint32(0x7FEB352D)
    x = (x ^ x >> 15) * numpy.uint32(0x846CA68B)
    x ^= x >> 16
    return torch.from_numpy((x >> 8).astype(numpy.float64) / 2**24)


def weights(name, shape):
    noise = 2 * uniform(name, torch.Size(shape).numel()).reshape(shape) - 1
    if name.endswith("running_var") or name.endswith("weight") and len(shape) == 1:
        return 1 + 0.1 * noise
    fan_in = torch.Size(shape[1:]).numel()
    return noise * (0.1 if len(shape) <= 1 else (6 / fan_in) ** 0.5)


images = ((2 * uniform("input", BATCH * 3 * SIZE**2) - 1) * 1.7).reshape(BATCH, 3, SIZE, SIZE)
images = images.float().double()
found = {}
for name in NAMES:
    options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    net = getattr(models, name)(num_classes=CLASSES, **options)
    for module in net.modules():
        if "Dropout" in type(module).__name__:
            module.p = 0.0
    state = net.state_dict()
    lines = [f"{key} {','.join(map(str, value.shape))}\n" for key, value in state.items()]
    filled = {
        key: value if key.endswith("num_batches_tracked") else weights(key, value.shape).float()
        for key, value in state.items()
    }
    net.load_state_dict(filled)
    net.double()
    with torch.no_grad():
        evaluated = net.eval()(images)
        trained = net.train()(images)
    rounded = lambda logits: [[float(f"{v:.8g}") for v in row] for row in logits.tolist()]
    found[name] = {
        "parameters": sum(p.numel() for p in net.parameters()),
        "keys": len(state),
        "sha256": hashlib.sha256("".join(lines).encode()).hexdigest(),
        "logits_eval": rounded(evaluated),
        "logits_train": rounded(trained),
    }
print(json.dumps(found))
