"""Makes small_case.json: what PyTorch computes in float64 for models/small.ts, from weights, images,
labels and a mask made by a formula. Needs make_case.py, which is in models/README.md."""
import json

import formula
import torch
import torch.nn as nn
from make_case import make_case

SEED, BATCH, CHANNELS, CLASSES, SIZE = 7, 3, 2, 5, 16
LAYER = "features.8"
KEPT = ["features.1.weight", "features.5.bias", "fc.bias"]


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
formula.fill(net, SEED)
make_case(
    "small.safetensors",
    "small",
    net,
    LAYER,
    x=formula.images(BATCH, CHANNELS, SIZE, SEED),
    labels=(formula.uniform("labels", BATCH, SEED) * CLASSES).long(),
    mask=(formula.uniform("mask", CLASSES * 128, SEED) < 0.3).reshape(CLASSES, 128).float(),
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
