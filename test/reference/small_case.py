"""Makes small_case.json: what PyTorch computes in float64 for models/small.ts, from weights, images,
labels and a mask made by a formula. Needs make_case.py, which is in models/README.md."""
import json
import zlib

import torch
import torch.nn as nn
from make_case import make_case

SEED, BATCH, CHANNELS, CLASSES, SIZE = 7, 3, 2, 5, 16
LAYER = "features.8"
KEPT = ["features.1.weight", "features.5.bias", "fc.bias"]


def uniform(name, count):
    """Numbers in [0, 1): an integer hash of the index, the name and the seed."""
    wrap = 2**32 - 1
    found = []
    for i in range(count):
        x = (i * 0x9E3779B1 + zlib.crc32(name.encode()) + SEED * 0x85EBCA6B) & wrap
        x = ((x ^ x >> 16) * 0x7FEB352D) & wrap
        x = ((x ^ x >> 15) * 0x846CA68B) & wrap
        x ^= x >> 16
        found.append((x >> 8) / 2**24)
    return torch.tensor(found, dtype=torch.float64)


def weights(name, shape):
    noise = 2 * uniform(name, torch.Size(shape).numel()).reshape(shape) - 1
    if name.endswith("running_var") or name.endswith("weight") and len(shape) == 1:
        return 1 + 0.1 * noise
    fan_in = torch.Size(shape[1:]).numel()
    return noise * (0.1 if len(shape) <= 1 else (6 / fan_in) ** 0.5)


def block(inputs, outputs):
    conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    return [conv, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True), nn.MaxPool2d(2)]


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        blocks = block(CHANNELS, 32) + block(32, 64) + block(64, 128)
        self.features = nn.Sequential(*blocks)
        self.fc = nn.Linear(128 * (SIZE // 8) ** 2, CLASSES)

    def forward(self, x):
        return self.fc(self.features(x).flatten(1))


net = Small()
filled = {
    key: value if key.endswith("num_batches_tracked") else weights(key, value.shape).float()
    for key, value in net.state_dict().items()
}
net.load_state_dict(filled)
shape = (BATCH, CHANNELS, SIZE, SIZE)
make_case(
    "small.safetensors",
    "small",
    net,
    LAYER,
    x=((2 * uniform("input", torch.Size(shape).numel()) - 1) * 1.7).reshape(shape).float(),
    labels=(uniform("labels", BATCH) * CLASSES).long(),
    mask=(uniform("mask", CLASSES * 128) < 0.3).reshape(CLASSES, 128).float(),
)

data = open("small.safetensors", "rb").read()
start = 8 + int.from_bytes(data[:8], "little")
header = json.loads(data[8:start])
names = [n for n in header if n.startswith("expect.") and not n.startswith("expect.grads_")]
names += [f"expect.{kind}.{key}" for kind in ("grads_cls", "grads_total", "grads_spatial") for key in KEPT]
names += ["expect.grads_total.features.0.weight"]
kept = {}
for name in names:
    begin, end = (start + offset for offset in header[name]["data_offsets"])
    values = torch.frombuffer(bytearray(data[begin:end]), dtype=torch.float64)
    kept[name] = {"shape": header[name]["shape"], "values": [float(f"{v:.8g}") for v in values]}
print(json.dumps(kept))
