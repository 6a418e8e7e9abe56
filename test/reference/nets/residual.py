"""Residual networks of models/: ResNet, SENet, Wide ResNet, ResNeXt and DenseNet."""
import torch
import torch.nn as nn

from .blocks import CHANNELS, CLASSES, chain, norm, relu, scaled, shortcut, stage


class Residual(nn.Module):
    """relu(F(x) + x): ResNet's basic block, or its bottleneck, which is narrower inside."""

    def __init__(self, inputs, outputs, stride, narrower=1):
        super().__init__()
        c = outputs // narrower
        parts = relu(inputs, c, 3, stride=stride) + norm(c, outputs, 3)
        if narrower > 1:
            parts = relu(inputs, c, 1) + relu(c, c, 3, stride=stride) + norm(c, outputs, 1)
        self.residual_function, self.shortcut = nn.Sequential(*parts), shortcut(inputs, outputs, stride)

    def forward(self, x):
        return (self.residual_function(x) + self.shortcut(x)).relu()


def resnet(blocks, width=1, expansion=1):
    c = scaled(width, 64, 128, 256, 512)
    out = [expansion * channels for channels in c]
    return chain(
        conv1=nn.Sequential(*relu(CHANNELS, c[0], 3)),
        conv2_x=stage(Residual, blocks[0], c[0], out[0], 1, expansion),
        conv3_x=stage(Residual, blocks[1], out[0], out[1], 2, expansion),
        conv4_x=stage(Residual, blocks[2], out[1], out[2], 2, expansion),
        conv5_x=stage(Residual, blocks[3], out[2], out[3], 2, expansion),
        avg_pool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(), fc=nn.Linear(out[3], CLASSES),
    )


class Gated(nn.Module):
    """A residual block whose channels are weighed by what their averages say."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.residual = nn.Sequential(
            *relu(inputs, outputs, 3, bias=True, stride=stride), *relu(outputs, outputs, 3, bias=True)
        )
        self.shortcut, self.squeeze = shortcut(inputs, outputs, stride, True), nn.AdaptiveAvgPool2d(1)
        self.excitation = nn.Sequential(
            nn.Linear(outputs, outputs // 16), nn.ReLU(), nn.Linear(outputs // 16, outputs), nn.Sigmoid()
        )

    def forward(self, x):
        residual = self.residual(x)
        gate = self.excitation(self.squeeze(residual).flatten(1))
        return (residual * gate[:, :, None, None] + self.shortcut(x)).relu()


def senet(blocks, width=1):
    c = scaled(width, 64, 128, 256, 512, of=16)
    return chain(
        pre=nn.Sequential(*relu(CHANNELS, c[0], 3, bias=True)),
        stage1=stage(Gated, blocks[0], c[0], c[0], 1), stage2=stage(Gated, blocks[1], c[0], c[1], 2),
        stage3=stage(Gated, blocks[2], c[1], c[2], 2), stage4=stage(Gated, blocks[3], c[2], c[3], 2),
        pool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(), linear=nn.Linear(c[3], CLASSES),
    )


class Wide(nn.Module):
    """Normalised before it is convolved; dropout between."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), nn.Conv2d(inputs, outputs, 3, padding=1)
        self.dropout = nn.Dropout(0.3)
        self.bn2, self.conv2 = nn.BatchNorm2d(outputs), nn.Conv2d(outputs, outputs, 3, stride, 1)
        changes = stride > 1 or inputs != outputs
        self.shortcut = nn.Sequential(*([nn.Conv2d(inputs, outputs, 1, stride)] if changes else []))

    def forward(self, x):
        wide = self.dropout(self.conv1(self.bn1(x).relu()))
        return self.conv2(self.bn2(wide).relu()) + self.shortcut(x)


def wideresnet(depth, k, width=1):
    c, blocks = scaled(width, 16 * k, 32 * k, 64 * k), (depth - 4) // 6
    return chain(
        conv1=nn.Conv2d(CHANNELS, 16, 3, padding=1),
        layer1=stage(Wide, blocks, 16, c[0], 1), layer2=stage(Wide, blocks, c[0], c[1], 2),
        layer3=stage(Wide, blocks, c[1], c[2], 2), bn1=nn.BatchNorm2d(c[2], momentum=0.9),
        relu=nn.ReLU(), pool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(), linear=nn.Linear(c[2], CLASSES),
    )


class Aggregated(nn.Module):
    """A bottleneck in 32 groups, its first convolution too."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        c = outputs // 2
        self.split_transforms = nn.Sequential(
            *relu(inputs, c, 1, groups=32), *relu(c, c, 3, groups=32, stride=stride), *norm(c, outputs, 1)
        )
        self.shortcut = shortcut(inputs, outputs, stride)

    def forward(self, x):
        return (self.split_transforms(x) + self.shortcut(x)).relu()


def resnext(blocks, width=1):
    first, *c = scaled(width, 64, 128, 256, 512, 1024, of=32)
    c = [2 * channels for channels in c]
    return chain(
        conv1=nn.Sequential(*relu(CHANNELS, first, 3)),
        conv2=stage(Aggregated, blocks[0], first, c[0], 1), conv3=stage(Aggregated, blocks[1], c[0], c[1], 2),
        conv4=stage(Aggregated, blocks[2], c[1], c[2], 2), conv5=stage(Aggregated, blocks[3], c[2], c[3], 2),
        avg=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(), fc=nn.Linear(c[3], CLASSES),
    )


class Dense(nn.Module):
    """What it makes of all before it comes behind all before it."""

    def __init__(self, inputs, growth):
        super().__init__()
        self.bottle_neck = nn.Sequential(
            nn.BatchNorm2d(inputs), nn.ReLU(), nn.Conv2d(inputs, 4 * growth, 1, bias=False),
            nn.BatchNorm2d(4 * growth), nn.ReLU(), nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False),
        )

    def forward(self, x):
        return torch.cat([x, self.bottle_neck(x)], 1)


class Transition(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.down_sample = nn.Sequential(
            nn.BatchNorm2d(inputs), nn.Conv2d(inputs, inputs // 2, 1, bias=False), nn.AvgPool2d(2)
        )

    def forward(self, x):
        return self.down_sample(x)


def densenet(blocks, width=1):
    growth = scaled(width, 32)
    c, parts = 2 * growth, nn.Sequential()
    for i, layers in enumerate(blocks):
        last = i == len(blocks) - 1
        block = nn.Sequential()
        for j in range(layers):
            block.add_module(f"bottle_neck_layer_{j}", Dense(c, growth))
            c += growth
        parts.add_module(f"dense_block{i}" if last else f"dense_block_layer_{i}", block)
        if not last:
            parts.add_module(f"transition_layer_{i}", Transition(c))
            c //= 2
    parts.add_module("bn", nn.BatchNorm2d(c))
    parts.add_module("relu", nn.ReLU())
    return chain(
        conv1=nn.Conv2d(CHANNELS, 2 * growth, 3, padding=1, bias=False), features=parts,
        avgpool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(), linear=nn.Linear(c, CLASSES),
    )
