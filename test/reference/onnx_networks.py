"""Makes onnx/*.onnx.gz and onnx/*.json: networks as PyTorch exports them, and what it computes of seven of them
in float64: logits, and the gradients of cross entropy and of a penalty on a gradient, so of second order.
Weights, images and labels come from the formula, so the files hold but a number for each tensor, which packs
well. PyTorch 1.13 or later, and nothing else (Debian: python3-torch)."""
import gzip
import io
import json
import os
import sys

import formula
import torch
import torch.nn as nn
import torch.nn.functional as F
from nets import CHANNELS, CLASSES, MobileNetV2, ResNet18, SqueezeNet

SEED, BATCH, SIZE = 5, 4, 16
FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "onnx")


def conv(inputs, outputs, size, act=nn.ReLU, **options):
    return nn.Sequential(nn.Conv2d(inputs, outputs, size, bias=False, **options), nn.BatchNorm2d(outputs), act())


class LastNorm(nn.LayerNorm):
    """Over the channels of images [N, C, H, W]."""

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class NextBlock(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.dwconv = nn.Conv2d(c, c, 7, padding=3, groups=c)
        self.norm = nn.LayerNorm(c)
        self.pwconv1, self.pwconv2 = nn.Linear(c, 4 * c), nn.Linear(4 * c, c)
        self.gamma = nn.Parameter(torch.ones(c))

    def forward(self, x):
        y = self.norm(self.dwconv(x).permute(0, 2, 3, 1))
        y = self.gamma * self.pwconv2(F.gelu(self.pwconv1(y)))
        return x + y.permute(0, 3, 1, 2)


def convnext():
    return nn.Sequential(
        nn.Conv2d(CHANNELS, 8, 2, stride=2), LastNorm(8), NextBlock(8), LastNorm(8), nn.Conv2d(8, 16, 2, stride=2),
        NextBlock(16), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(16), nn.Linear(16, CLASSES),
    )


class Squeeze(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.fc1, self.fc2 = nn.Conv2d(c, c // 4, 1), nn.Conv2d(c // 4, c, 1)

    def forward(self, x):
        return x * self.fc2(F.silu(self.fc1(x.mean((2, 3), keepdim=True)))).sigmoid()


class RegBlock(nn.Module):
    def __init__(self, i, o, stride):
        super().__init__()
        self.a, self.b = conv(i, o, 1, nn.SiLU), conv(o, o, 3, nn.SiLU, stride=stride, padding=1, groups=o // 8)
        self.se, self.c = Squeeze(o), conv(o, o, 1, nn.Identity)
        self.skip = conv(i, o, 1, nn.Identity, stride=stride)

    def forward(self, x):
        return F.silu(self.c(self.se(self.b(self.a(x)))) + self.skip(x))


def regnet():
    return nn.Sequential(
        conv(CHANNELS, 8, 3, stride=2, padding=1), RegBlock(8, 16, 2), RegBlock(16, 32, 2), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(32, CLASSES),
    )


class Ghost(nn.Module):
    """Half of the channels are made from the other half, one by one."""

    def __init__(self, i, o):
        super().__init__()
        self.primary = conv(i, o // 2, 1, nn.Hardswish)
        self.cheap = conv(o // 2, o // 2, 3, nn.LeakyReLU, padding=1, groups=o // 2)

    def forward(self, x):
        y = self.primary(x)
        return torch.cat([y, self.cheap(y)], 1)


class Shuffle(nn.Module):
    def forward(self, x):
        n, c, h, w = x.shape
        return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


def ghostnet():
    return nn.Sequential(
        conv(CHANNELS, 8, 3, nn.Hardswish, padding=1), Ghost(8, 16), nn.MaxPool2d(3, 2, 1), Shuffle(), Ghost(16, 24),
        nn.AvgPool2d(2), nn.PReLU(24), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(24, CLASSES),
    )


class UNet(nn.Module):
    """Down, up again with what was seen on the way down, and a head."""

    def __init__(self):
        super().__init__()
        self.down1, self.down2 = conv(CHANNELS, 8, 3, padding=1), conv(8, 16, 3, padding=1)
        self.up = conv(24, 12, 3, nn.ELU, padding=1)
        self.head = nn.Linear(12 * 16, CLASSES)

    def forward(self, x):
        a = self.down1(x)
        b = self.down2(F.max_pool2d(a, 2))
        c = self.up(torch.cat([a, F.interpolate(b, scale_factor=2, mode="bilinear", align_corners=False)], 1))
        return self.head(F.avg_pool2d(c, 4).flatten(1))


class Transposed(nn.Module):
    """Makes images larger before it makes them small."""

    def __init__(self):
        super().__init__()
        self.up = nn.ConvTranspose2d(CHANNELS, 8, 4, stride=2, padding=1)
        self.norm = nn.GroupNorm(2, 8)
        self.conv, self.fc = conv(8, 12, 3, nn.Mish, stride=2), nn.Linear(12, CLASSES)

    def forward(self, x):
        x = F.instance_norm(F.softplus(self.norm(self.up(x))))
        return self.fc(F.pad(self.conv(x), (1, 1, 1, 1), mode="reflect").amax((2, 3)))


class Keras(nn.Module):
    """Images come with their channels last; what is flattened has them last too."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = conv(CHANNELS, 8, 3), conv(8, 16, 3, stride=2)
        self.dense = nn.Linear(7 * 7 * 16, CLASSES)

    def forward(self, x):
        y = self.conv2(F.pad(self.conv1(x.permute(0, 3, 1, 2)), (0, 1, 0, 1)))
        return self.dense(y.permute(0, 2, 3, 1).flatten(1)).softmax(1)


class Attention(nn.Module):
    """A map's pixels look at each other: PyTorch's own attention, then one written out, as BoTNet has it."""

    def __init__(self):
        super().__init__()
        self.stem = conv(CHANNELS, 16, 3, nn.GELU, stride=2, padding=1)
        self.norm, self.own = nn.LayerNorm(16), nn.MultiheadAttention(16, 4, batch_first=True)
        self.qkv, self.conv = nn.Conv2d(16, 48, 1), conv(16, 24, 3, stride=2, padding=1)
        self.fc = nn.Linear(24, CLASSES)

    def forward(self, x):
        x = self.stem(x)
        y = self.norm(x.flatten(2).transpose(1, 2))
        x = x + self.own(y, y, y, need_weights=False)[0].transpose(1, 2).reshape(x.shape)
        q, k, v = self.qkv(x).reshape(len(x), 3, 2, 8, -1).unbind(1)
        share = (q.transpose(2, 3) @ k * 8**-0.5).softmax(-1)
        x = x + (share @ v.transpose(2, 3)).transpose(2, 3).reshape(x.shape)
        return self.fc(self.conv(x).mean((2, 3)))


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
    with open(os.path.join(FOLDER, f"{name}.onnx.gz"), "wb") as out:
        out.write(gzip.compress(file.getvalue(), mtime=0))


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
        **{"seed": SEED, "batch": BATCH, "size": SIZE, "layer": layer, "labels": labels.tolist()},
        "log_softmax": [[rounded(v) for v in row] for row in F.log_softmax(evaluated, 1)],
        **{name: {"loss": rounded(loss), "gradients": gradients(loss)} for name, loss in losses.items()},
    }


asked = sys.argv[1:]  # names, or all of them
images = formula.images(BATCH, CHANNELS, SIZE, SEED)
for name, make, layer in (
    ("convnext", convnext, "2.dwconv"),
    ("regnet", regnet, "1.b.0"),
    ("ghostnet", ghostnet, "1.cheap.0"),
    ("unet", UNet, "down2.0"),
    ("transposed", Transposed, "conv.0"),
    ("keras", Keras, "conv1.0"),
    ("attention", Attention, "stem.0"),
):
    if asked and name not in asked:
        continue
    x = images.permute(0, 2, 3, 1) if make is Keras else images
    with open(os.path.join(FOLDER, f"{name}.json"), "w") as file:
        json.dump(case(make(), layer, x.double()), file)
        file.write("\n")
    export(name, make(), x)
for name, net in (("resnet18", ResNet18()), ("mobilenetv2", MobileNetV2()), ("squeezenet", SqueezeNet())):
    if not asked or name in asked:
        export(name, net, images)
