"""Networks of models/ whose blocks look through several branches: GoogLeNet, Inception-v3 and Xception."""
import torch
import torch.nn as nn

from .blocks import CHANNELS, CLASSES, branches, chain, norm, relu, scaled

# Channels of 1 x 1; before and of 3 x 3; before and of 5 x 5; behind the pool.
TABLE = {
    "3a": (64, 96, 128, 16, 32, 32), "3b": (128, 128, 192, 32, 96, 64), "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64), "4c": (128, 128, 256, 24, 64, 64), "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128), "5a": (256, 160, 320, 32, 128, 128), "5b": (384, 192, 384, 48, 128, 128),
}


def googlenet(width=1):
    """b3 has two 3 x 3 convolutions for one of 5 x 5, and its channels for an epsilon, as its authors have it."""

    def block(i, c1, before3, c3, before5, c5, pooled):
        conv = lambda *sizes: relu(*sizes, bias=True)
        middle = nn.Conv2d(before5, c5, 3, padding=1), nn.BatchNorm2d(c5, c5), nn.ReLU()
        return branches(
            b1=nn.Sequential(*conv(i, c1, 1)), b2=nn.Sequential(*conv(i, before3, 1), *conv(before3, c3, 3)),
            b3=nn.Sequential(*conv(i, before5, 1), *middle, *conv(c5, c5, 3)),
            b4=nn.Sequential(nn.MaxPool2d(3, 1, 1), *conv(i, pooled, 1)),
        )

    first, inputs = scaled(width, 64, 192)
    parts = {"prelayer": nn.Sequential(*relu(CHANNELS, first, 3), *relu(first, first, 3), *relu(first, inputs, 3))}
    for name, channels in TABLE.items():
        if name.endswith("a"):
            parts[f"pool{name}"] = nn.MaxPool2d(3, 2, 1)
        c = scaled(width, *channels)
        parts[name[1] + name[0]] = block(inputs, *c)
        inputs = c[0] + c[2] + c[4] + c[5]
    return chain(
        **parts, avgpool=nn.AdaptiveAvgPool2d(1), dropout=nn.Dropout2d(0.4), flat=nn.Flatten(),
        linear=nn.Linear(inputs, CLASSES),
    )


def conv(*sizes, **options):
    a, b, act = relu(*sizes, **options)
    return chain(conv=a, bn=b, relu=act)


def stack(inputs, *layers):
    """Convolutions in a row: channels, size, and what else."""
    parts = []
    for outputs, size, *options in layers:
        parts.append(conv(inputs, outputs, size, **(options[0] if options else {})))
        inputs = outputs
    return nn.Sequential(*parts)


class Mixed7(nn.Module):
    """Two of the branches fork at their end."""

    def __init__(self, i, single, c, deep, pooled):
        super().__init__()
        self.branch1x1 = conv(i, single, 1)
        self.branch3x3_1, self.branch3x3_2a = conv(i, c, 1), conv(c, c, (1, 3))
        self.branch3x3_2b, self.branch3x3stack_1 = conv(c, c, (3, 1)), conv(i, deep, 1)
        self.branch3x3stack_2, self.branch3x3stack_3a = conv(deep, c, 3), conv(c, c, (1, 3))
        self.branch3x3stack_3b = conv(c, c, (3, 1))
        self.branch_pool = nn.Sequential(nn.AvgPool2d(3, 1, 1), conv(i, pooled, 1))

    def forward(self, x):
        single, y = self.branch1x1(x), self.branch3x3_1(x)
        parts = [single, self.branch3x3_2a(y), self.branch3x3_2b(y)]
        z = self.branch3x3stack_2(self.branch3x3stack_1(x))
        parts += [self.branch3x3stack_3a(z), self.branch3x3stack_3b(z), self.branch_pool(x)]
        return torch.cat(parts, 1)


def inceptionv3(width=1):
    c = lambda channels: scaled(width, channels)
    halved = dict(stride=2, padding=0)

    def mixed5(i, pooled):
        return branches(
            branch1x1=conv(i, c(64), 1), branch5x5=stack(i, (c(48), 1), (c(64), 5)),
            branch3x3=stack(i, (c(64), 1), (c(96), 3), (c(96), 3)),
            branchpool=nn.Sequential(nn.AvgPool2d(3, 1, 1), conv(i, pooled, 3)),
        )

    def mixed6a(i):
        return branches(
            branch3x3=conv(i, c(384), 3, **halved),
            branch3x3stack=stack(i, (c(64), 1), (c(96), 3), (c(96), 3, halved)), branchpool=nn.MaxPool2d(3, 2),
        )

    def mixed6(i, d):
        tall, flat = (7, 1), (1, 7)
        return branches(
            branch1x1=conv(i, c(192), 1), branch7x7=stack(i, (d, 1), (d, tall), (c(192), flat)),
            branch7x7stack=stack(i, (d, 1), (d, tall), (d, flat), (d, tall), (c(192), flat)),
            branch_pool=nn.Sequential(nn.AvgPool2d(3, 1, 1), conv(i, c(192), 1)),
        )

    def mixed7a(i):
        d = c(192)
        return branches(
            branch3x3=stack(i, (d, 1), (c(320), 3, halved)),
            branch7x7=stack(i, (d, 1), (d, (1, 7)), (d, (7, 1)), (d, 3, halved)), branchpool=nn.AvgPool2d(3, 2),
        )

    by5 = lambda pooled: 2 * c(64) + c(96) + pooled
    by6a, by6 = c(384) + c(96) + by5(c(64)), 4 * c(192)
    by7a, by7 = c(320) + c(192) + by6, c(320) + 4 * c(384) + c(192)
    mixed7 = lambda i: Mixed7(i, c(320), c(384), c(448), c(192))
    return chain(
        Conv2d_1a_3x3=conv(CHANNELS, c(32), 3), Conv2d_2a_3x3=conv(c(32), c(32), 3),
        Conv2d_2b_3x3=conv(c(32), c(64), 3), Conv2d_3b_1x1=conv(c(64), c(80), 1),
        Conv2d_4a_3x3=conv(c(80), c(192), 3, padding=0),
        Mixed_5b=mixed5(c(192), c(32)), Mixed_5c=mixed5(by5(c(32)), c(64)), Mixed_5d=mixed5(by5(c(64)), c(64)),
        Mixed_6a=mixed6a(by5(c(64))), Mixed_6b=mixed6(by6a, c(128)), Mixed_6c=mixed6(by6, c(160)),
        Mixed_6d=mixed6(by6, c(160)), Mixed_6e=mixed6(by6, c(192)),
        Mixed_7a=mixed7a(by6), Mixed_7b=mixed7(by7a), Mixed_7c=mixed7(by7),
        avgpool=nn.AdaptiveAvgPool2d(1), dropout=nn.Dropout2d(), flat=nn.Flatten(), linear=nn.Linear(by7, CLASSES),
    )


def separable(inputs, outputs):
    depthwise = nn.Conv2d(inputs, inputs, 3, padding=1, groups=inputs, bias=False)
    conv = chain(depthwise=depthwise, pointwise=nn.Conv2d(inputs, outputs, 1, bias=False))
    return [conv, nn.BatchNorm2d(outputs)]


class Xception(nn.Module):
    def __init__(self, width=1):
        super().__init__()
        c = scaled(width, 32, 64, 128, 256, 728, 1024, 1536, 2048)
        pool = lambda stride: nn.MaxPool2d(3, stride, 1)
        twice = lambda a, b, d: [*separable(a, b), nn.ReLU(), *separable(b, d)]
        project = lambda *sizes, stride: nn.Sequential(*norm(*sizes, 1, bias=True, stride=stride))
        self.entry_flow = chain(
            conv1=nn.Sequential(*relu(CHANNELS, c[0], 3)), conv2=nn.Sequential(*relu(c[0], c[1], 3)),
            conv3_residual=nn.Sequential(*twice(c[1], c[2], c[2]), pool(2)),
            conv3_shortcut=project(c[1], c[2], stride=2),
            conv4_residual=nn.Sequential(nn.ReLU(), *twice(c[2], c[3], c[3]), pool(2)),
            conv4_shortcut=project(c[2], c[3], stride=2),
            conv5_residual=nn.Sequential(nn.ReLU(), *twice(c[3], c[4], c[4]), pool(1)),
            conv5_shortcut=project(c[3], c[4], stride=1),
        )
        middle = lambda: nn.Sequential(nn.ReLU(), *separable(c[4], c[4]))
        block = lambda: chain(conv1=middle(), conv2=middle(), conv3=middle())
        self.middel_flow = chain(middel_block=nn.Sequential(*(block() for _ in range(8))))
        self.exit_flow = chain(
            residual=nn.Sequential(nn.ReLU(), *twice(c[4], c[4], c[5]), pool(2)),
            shortcut=project(c[4], c[5], stride=2),
            conv=nn.Sequential(*twice(c[5], c[6], c[7]), nn.ReLU()),
        )
        self.fc = nn.Linear(c[7], CLASSES)

    def forward(self, x):
        flow = self.entry_flow
        x = flow.conv2(flow.conv1(x))
        x = flow.conv3_residual(x) + flow.conv3_shortcut(x)
        x = flow.conv4_residual(x) + flow.conv4_shortcut(x)
        x = flow.conv5_residual(x) + flow.conv5_shortcut(x)
        for block in self.middel_flow.middel_block:
            x = block(x) + x
        x = self.exit_flow.residual(x) + self.exit_flow.shortcut(x)
        return self.fc(self.exit_flow.conv(x).mean((2, 3)))
