"""Networks of models/ made to be small: MobileNetV2, MnasNet, EfficientNetV2, ShuffleNetV2 and SqueezeNet."""
import torch
import torch.nn as nn
import torch.nn.functional as F

from .blocks import CHANNELS, CLASSES, chain, norm, relu, scaled, stage


class Inverted(nn.Module):
    """MobileNetV2's block: expand, convolve each channel by itself, project, add."""

    def __init__(self, inputs, outputs, stride, t):
        super().__init__()
        c = t * inputs
        self.residual = nn.Sequential(
            *relu(inputs, c, 1, act=nn.ReLU6, bias=True),
            *relu(c, c, 3, act=nn.ReLU6, bias=True, stride=stride, groups=c),
            *norm(c, outputs, 1, bias=True),
        )
        self.keeps = stride == 1 and inputs == outputs

    def forward(self, x):
        return self.residual(x) + x if self.keeps else self.residual(x)


def mobilenetv2(width=1):
    c = scaled(width, 32, 16, 24, 32, 64, 96, 160, 320)
    last = scaled(max(1, width), 1280)
    rows = lambda i, blocks, stride: stage(Inverted, blocks, c[i - 1], c[i], stride, 6)
    return chain(
        pre=nn.Sequential(*relu(CHANNELS, c[0], 1, act=nn.ReLU6, bias=True, padding=1)),
        stage1=Inverted(c[0], c[1], 1, 1), stage2=rows(2, 2, 2), stage3=rows(3, 3, 2), stage4=rows(4, 4, 2),
        stage5=rows(5, 3, 1), stage6=rows(6, 3, 1), stage7=Inverted(c[6], c[7], 1, 6),
        conv1=nn.Sequential(*relu(c[7], last, 1, act=nn.ReLU6, bias=True)), pool=nn.AdaptiveAvgPool2d(1),
        conv2=nn.Conv2d(last, CLASSES, 1), flat=nn.Flatten(),
    )


class Searched(nn.Module):
    """The same block with other kernels, in MnasNet's and EfficientNetV2's names."""

    def __init__(self, parts, keeps):
        super().__init__()
        self.conv, self.keeps = nn.Sequential(*parts), keeps

    def forward(self, x):
        return x + self.conv(x) if self.keeps else self.conv(x)


def mnasnet(width=1):
    c = lambda channels: scaled(width, channels)
    act = dict(act=nn.ReLU6)
    parts = [
        nn.Sequential(*relu(CHANNELS, c(32), 3, stride=2, **act)),
        nn.Sequential(*relu(c(32), c(32), 3, groups=c(32), **act), *norm(c(32), c(16), 1)),
    ]
    inputs = c(16)
    table = ((3, 24, 3, 2, 3), (3, 40, 3, 2, 5), (6, 80, 3, 2, 5), (6, 96, 2, 1, 3), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3))
    for t, channels, blocks, first, size in table:
        for i in range(blocks):
            stride, wide, outputs = first if i == 0 else 1, t * inputs, c(channels)
            block = [*relu(inputs, wide, 1, **act), *relu(wide, wide, size, stride=stride, groups=wide, **act)]
            parts.append(Searched(block + norm(wide, outputs, 1), stride == 1 and inputs == outputs))
            inputs = outputs
    last = scaled(max(1, width), 1280)
    parts += [nn.Sequential(*relu(inputs, last, 1, **act)), nn.AdaptiveAvgPool2d(1)]
    head = nn.Sequential(nn.Dropout(), nn.Linear(last, CLASSES))
    return chain(features=nn.Sequential(*parts), flat=nn.Flatten(), classifier=head)


class Gate(nn.Module):
    """Channels weighed by what their averages say."""

    def __init__(self, channels, hidden):
        super().__init__()
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(nn.Linear(channels, hidden), nn.SiLU(), nn.Linear(hidden, channels), nn.Sigmoid())

    def forward(self, x):
        return x * self.fc(self.avg_pool(x).flatten(1))[:, :, None, None]


def efficientnetv2s(width=1):
    c = lambda channels: scaled(width, channels)
    act = dict(act=nn.SiLU)
    inputs = c(24)
    parts = [nn.Sequential(*relu(CHANNELS, inputs, 3, stride=2, **act))]
    table = ((1, 24, 2, 1), (4, 48, 4, 2), (4, 64, 4, 2), (4, 128, 6, 2), (6, 160, 9, 1), (6, 256, 15, 2))
    for t, channels, blocks, first in table:
        for i in range(blocks):
            stride, wide, outputs = first if i == 0 else 1, t * inputs, c(channels)
            block = relu(inputs, wide, 3, stride=stride, **act)
            if channels > 64:
                block = relu(inputs, wide, 1, **act) + relu(wide, wide, 3, stride=stride, groups=wide, **act)
                block.append(Gate(wide, scaled(1, inputs / 4)))
            parts.append(Searched(block + norm(wide, outputs, 1), stride == 1 and inputs == outputs))
            inputs = outputs
    last = scaled(max(1, width), 1792)
    return chain(
        features=nn.Sequential(*parts), conv=nn.Sequential(*relu(inputs, last, 1, **act)),
        avgpool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(), classifier=nn.Linear(last, CLASSES),
    )


class Shuffle(nn.Module):
    """One half of the channels passes, the other is worked on; then they are shuffled into each other."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.halves = stride == 1 and inputs == outputs
        i, o = inputs // 2 if self.halves else inputs, outputs // 2
        each = lambda: norm(i, i, 3, bias=True, stride=stride, groups=i)
        self.residual = nn.Sequential(*relu(i, i, 1, bias=True), *each(), *relu(i, o, 1, bias=True))
        self.shortcut = nn.Sequential(*([] if self.halves else [*each(), *relu(i, o, 1, bias=True)]))

    def forward(self, x):
        passed, worked = x.chunk(2, 1) if self.halves else (x, x)
        x = torch.cat([self.shortcut(passed), self.residual(worked)], 1)
        n, c, h, w = x.shape
        return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


def shufflenetv2(width=1):
    widths = {0.5: (48, 96, 192, 1024), 1: (116, 232, 464, 1024), 1.5: (176, 352, 704, 1024), 2: (244, 488, 976, 2048)}
    c2, c3, c4, c5 = widths[width]
    return chain(
        pre=nn.Sequential(*norm(CHANNELS, 24, 3, bias=True)),
        stage2=stage(Shuffle, 4, 24, c2, 2), stage3=stage(Shuffle, 8, c2, c3, 2), stage4=stage(Shuffle, 4, c3, c4, 2),
        conv5=nn.Sequential(*relu(c4, c5, 1, bias=True)), pool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(),
        fc=nn.Linear(c5, CLASSES),
    )


class Fire(nn.Module):
    """SqueezeNet's block: squeeze, then two branches side by side."""

    def __init__(self, inputs, outputs, squeezed):
        super().__init__()
        block = lambda *sizes: nn.Sequential(*relu(*sizes, bias=True))
        self.squeeze = block(inputs, squeezed, 1)
        self.expand_1x1, self.expand_3x3 = block(squeezed, outputs // 2, 1), block(squeezed, outputs // 2, 3)

    def forward(self, x):
        x = self.squeeze(x)
        return torch.cat([self.expand_1x1(x), self.expand_3x3(x)], 1)


class SqueezeNet(nn.Module):
    """With bypass."""

    def __init__(self, width=1):
        super().__init__()
        stem = scaled(width, 96)
        c1, c2, c3, c4 = scaled(width, 128, 256, 384, 512, of=16)
        s1, s2, s3, s4 = scaled(width, 16, 32, 48, 64)
        self.stem = nn.Sequential(*relu(CHANNELS, stem, 3, bias=True), nn.MaxPool2d(2))
        self.fire2, self.fire3, self.fire4 = Fire(stem, c1, s1), Fire(c1, c1, s1), Fire(c1, c2, s2)
        self.fire5, self.fire6, self.fire7 = Fire(c2, c2, s2), Fire(c2, c3, s3), Fire(c3, c3, s3)
        self.fire8, self.fire9 = Fire(c3, c4, s4), Fire(c4, c4, s4)
        self.conv10 = nn.Conv2d(c4, CLASSES, 1)

    def forward(self, x):
        x = self.fire2(self.stem(x))
        x = F.max_pool2d(self.fire4(self.fire3(x) + x), 2)
        x = self.fire6(self.fire5(x) + x)
        x = F.max_pool2d(self.fire8(self.fire7(x) + x), 2)
        return self.conv10(self.fire9(x)).mean((2, 3))
