"""The networks of models/torchvision, in torchvision's names."""
import torch
import torch.nn as nn

from .blocks import CHANNELS, CLASSES, branches, chain, norm, relu, stage
from .inception import TABLE
from .plain import vgg_features, vgg_head


class Residual(nn.Module):
    """relu(F(x) + x): a basic block, or a bottleneck with one convolution more, narrower by so much."""

    def __init__(self, inputs, outputs, stride, narrower=1):
        super().__init__()
        c = outputs // narrower
        if narrower == 1:
            self.conv1, self.bn1 = norm(inputs, c, 3, stride=stride)
            self.conv2, self.bn2 = norm(c, c, 3)
        else:
            self.conv1, self.bn1 = norm(inputs, c, 1)
            self.conv2, self.bn2 = norm(c, c, 3, stride=stride)
            self.conv3, self.bn3 = norm(c, outputs, 1)
        self.relu, self.downsample = nn.ReLU(), None
        if stride > 1 or inputs != outputs:
            self.downsample = nn.Sequential(*norm(inputs, outputs, 1, stride=stride))

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        if hasattr(self, "conv3"):
            y = self.bn3(self.conv3(self.relu(y)))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


def resnet(blocks, expansion=1):
    out = [expansion * channels for channels in (64, 128, 256, 512)]
    conv1, bn1, act = relu(CHANNELS, 64, 7, stride=2)
    return chain(
        conv1=conv1, bn1=bn1, relu=act, maxpool=nn.MaxPool2d(3, 2, 1),
        layer1=stage(Residual, blocks[0], 64, out[0], 1, expansion),
        layer2=stage(Residual, blocks[1], out[0], out[1], 2, expansion),
        layer3=stage(Residual, blocks[2], out[1], out[2], 2, expansion),
        layer4=stage(Residual, blocks[3], out[2], out[3], 2, expansion),
        avgpool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(), fc=nn.Linear(out[3], CLASSES),
    )


def vgg16_bn():
    return chain(
        features=vgg_features((2, 2, 3, 3, 3)), avgpool=nn.AdaptiveAvgPool2d(7), flat=nn.Flatten(),
        classifier=vgg_head(512 * 7 * 7, 4096),
    )


class Inverted(nn.Module):
    def __init__(self, inputs, outputs, stride, t):
        super().__init__()
        c, relu6 = t * inputs, lambda *sizes, **options: nn.Sequential(*relu(*sizes, act=nn.ReLU6, **options))
        expand = [relu6(inputs, c, 1)] if t > 1 else []
        self.conv = nn.Sequential(*expand, relu6(c, c, 3, stride=stride, groups=c), *norm(c, outputs, 1))
        self.keeps = stride == 1 and inputs == outputs

    def forward(self, x):
        return x + self.conv(x) if self.keeps else self.conv(x)


def mobilenet_v2():
    parts, inputs = [nn.Sequential(*relu(CHANNELS, 32, 3, act=nn.ReLU6, stride=2))], 32
    table = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
    for t, outputs, blocks, stride in table:
        parts += stage(Inverted, blocks, inputs, outputs, stride, t)
        inputs = outputs
    parts.append(nn.Sequential(*relu(inputs, 1280, 1, act=nn.ReLU6)))
    head = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, CLASSES))
    return chain(features=nn.Sequential(*parts), pool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(), classifier=head)


class Dense(nn.Module):
    def __init__(self, inputs):
        super().__init__()
        self.norm1, self.relu1 = nn.BatchNorm2d(inputs), nn.ReLU()
        self.conv1 = nn.Conv2d(inputs, 128, 1, bias=False)
        self.norm2, self.relu2 = nn.BatchNorm2d(128), nn.ReLU()
        self.conv2 = nn.Conv2d(128, 32, 3, padding=1, bias=False)

    def forward(self, x):
        y = self.conv1(self.relu1(self.norm1(x)))
        return torch.cat([x, self.conv2(self.relu2(self.norm2(y)))], 1)


def densenet121():
    conv0, norm0, act = relu(CHANNELS, 64, 7, stride=2)
    parts, c = {"conv0": conv0, "norm0": norm0, "relu0": act, "pool0": nn.MaxPool2d(3, 2, 1)}, 64
    for i, layers in enumerate((6, 12, 24, 16), 1):
        parts[f"denseblock{i}"] = chain(**{f"denselayer{j + 1}": Dense(c + 32 * j) for j in range(layers)})
        c += 32 * layers
        if i < 4:
            parts[f"transition{i}"] = chain(
                norm=nn.BatchNorm2d(c), relu=nn.ReLU(), conv=nn.Conv2d(c, c // 2, 1, bias=False), pool=nn.AvgPool2d(2)
            )
            c //= 2
    return chain(
        features=chain(**parts, norm5=nn.BatchNorm2d(c)), relu=nn.ReLU(), pool=nn.AdaptiveAvgPool2d(1),
        flat=nn.Flatten(), classifier=nn.Linear(c, CLASSES),
    )


def googlenet():
    """Without the auxiliary classifiers; a 3 x 3 convolution where the paper has 5 x 5."""

    def conv(inputs, outputs, size, **options):
        a, _, act = relu(inputs, outputs, size, **options)
        return chain(conv=a, bn=nn.BatchNorm2d(outputs, 1e-3), relu=act)

    def block(i, c1, before3, c3, before5, c5, pooled):
        return branches(
            branch1=conv(i, c1, 1), branch2=nn.Sequential(conv(i, before3, 1), conv(before3, c3, 3)),
            branch3=nn.Sequential(conv(i, before5, 1), conv(before5, c5, 3)),
            branch4=nn.Sequential(nn.MaxPool2d(3, 1, 1, ceil_mode=True), conv(i, pooled, 1)),
        )

    halved = lambda size: nn.MaxPool2d(size, 2, ceil_mode=True)
    parts, inputs = {}, 192
    for name, c in TABLE.items():
        if name.endswith("a"):
            parts[f"pool{name}"] = halved(2 if name == "5a" else 3)
        parts[f"inception{name}"] = block(inputs, *c)
        inputs = c[0] + c[2] + c[4] + c[5]
    return chain(
        conv1=conv(CHANNELS, 64, 7, stride=2), maxpool1=halved(3), conv2=conv(64, 64, 1), conv3=conv(64, 192, 3),
        **parts, avgpool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(), dropout=nn.Dropout(0.2),
        fc=nn.Linear(inputs, CLASSES),
    )
