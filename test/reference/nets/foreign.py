"""Seven networks that are not of models/, with layers that those have not."""
import torch
import torch.nn as nn
import torch.nn.functional as F

from .blocks import CHANNELS, CLASSES


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


# And a layer of each that the penalty is on.
FOREIGN = {
    "convnext": (convnext, "2.dwconv"), "regnet": (regnet, "1.b.0"), "ghostnet": (ghostnet, "1.cheap.0"),
    "unet": (UNet, "down2.0"), "transposed": (Transposed, "conv.0"), "keras": (Keras, "conv1.0"),
    "attention": (Attention, "stem.0"),
}
