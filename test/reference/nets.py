"""Three networks of models/, narrow and for small images: written here anew, from their papers' tables and
with their own names, so that a mistake is not made twice."""
import torch
import torch.nn as nn

CHANNELS, CLASSES = 3, 10


def conv(inputs, outputs, size, bias=True, **options):
    return [nn.Conv2d(inputs, outputs, size, bias=bias, **options), nn.BatchNorm2d(outputs)]


class Residual(nn.Module):
    """relu(F(x) + x): ResNet's basic block."""

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.residual_function = nn.Sequential(
            *conv(inputs, outputs, 3, False, stride=stride, padding=1),
            nn.ReLU(),
            *conv(outputs, outputs, 3, False, padding=1),
        )
        changes = stride > 1 or inputs != outputs
        self.shortcut = nn.Sequential(*(conv(inputs, outputs, 1, False, stride=stride) if changes else []))

    def forward(self, x):
        return (self.residual_function(x) + self.shortcut(x)).relu()


class ResNet18(nn.Module):
    """An eighth as wide."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Sequential(*conv(CHANNELS, 8, 3, False, padding=1), nn.ReLU())
        stage = lambda inputs, outputs, stride: nn.Sequential(
            Residual(inputs, outputs, stride), Residual(outputs, outputs, 1)
        )
        self.conv2_x, self.conv3_x = stage(8, 8, 1), stage(8, 16, 2)
        self.conv4_x, self.conv5_x = stage(16, 32, 2), stage(32, 64, 2)
        self.fc = nn.Linear(64, CLASSES)

    def forward(self, x):
        for part in (self.conv1, self.conv2_x, self.conv3_x, self.conv4_x, self.conv5_x):
            x = part(x)
        return self.fc(x.mean((2, 3)))


class Inverted(nn.Module):
    """MobileNetV2's block: expand, convolve each channel by itself, project, add."""

    def __init__(self, inputs, outputs, stride, t):
        super().__init__()
        hidden = t * inputs
        self.residual = nn.Sequential(
            *conv(inputs, hidden, 1),
            nn.ReLU6(),
            *conv(hidden, hidden, 3, stride=stride, padding=1, groups=hidden),
            nn.ReLU6(),
            *conv(hidden, outputs, 1),
        )
        self.keeps = stride == 1 and inputs == outputs

    def forward(self, x):
        return self.residual(x) + x if self.keeps else self.residual(x)


class MobileNetV2(nn.Module):
    """A quarter as wide, in multiples of 8."""

    def __init__(self):
        super().__init__()
        self.pre = nn.Sequential(*conv(CHANNELS, 8, 1, padding=1), nn.ReLU6())
        stage = lambda blocks, inputs, outputs, stride: nn.Sequential(
            *(Inverted(inputs if i == 0 else outputs, outputs, stride if i == 0 else 1, 6) for i in range(blocks))
        )
        self.stage1 = Inverted(8, 8, 1, 1)
        self.stage2, self.stage3, self.stage4 = stage(2, 8, 8, 2), stage(3, 8, 8, 2), stage(4, 8, 16, 2)
        self.stage5, self.stage6 = stage(3, 16, 24, 1), stage(3, 24, 40, 1)
        self.stage7 = Inverted(40, 80, 1, 6)
        self.conv1 = nn.Sequential(*conv(80, 1280, 1), nn.ReLU6())
        self.conv2 = nn.Conv2d(1280, CLASSES, 1)

    def forward(self, x):
        stages = (self.stage1, self.stage2, self.stage3, self.stage4, self.stage5, self.stage6, self.stage7)
        for part in (self.pre, *stages, self.conv1):
            x = part(x)
        return self.conv2(x.mean((2, 3), keepdim=True)).flatten(1)


class Fire(nn.Module):
    """SqueezeNet's block: squeeze, then two branches side by side."""

    def __init__(self, inputs, outputs, squeezed):
        super().__init__()
        block = lambda *sizes, **options: nn.Sequential(*conv(*sizes, **options), nn.ReLU())
        self.squeeze = block(inputs, squeezed, 1)
        self.expand_1x1 = block(squeezed, outputs // 2, 1)
        self.expand_3x3 = block(squeezed, outputs // 2, 3, padding=1)

    def forward(self, x):
        x = self.squeeze(x)
        return torch.cat([self.expand_1x1(x), self.expand_3x3(x)], 1)


class SqueezeNet(nn.Module):
    """With bypass; it comes in one width."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(*conv(CHANNELS, 96, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
        self.fire2, self.fire3, self.fire4 = Fire(96, 128, 16), Fire(128, 128, 16), Fire(128, 256, 32)
        self.fire5, self.fire6 = Fire(256, 256, 32), Fire(256, 384, 48)
        self.fire7, self.fire8, self.fire9 = Fire(384, 384, 48), Fire(384, 512, 64), Fire(512, 512, 64)
        self.conv10 = nn.Conv2d(512, CLASSES, 1)

    def forward(self, x):
        x = self.fire2(self.stem(x))
        x = nn.functional.max_pool2d(self.fire4(self.fire3(x) + x), 2)
        x = self.fire6(self.fire5(x) + x)
        x = nn.functional.max_pool2d(self.fire8(self.fire7(x) + x), 2)
        return self.conv10(self.fire9(x)).mean((2, 3))
