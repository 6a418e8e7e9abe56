"""What many of the classifiers are built of."""
from collections import OrderedDict

import torch
import torch.nn as nn

CHANNELS, CLASSES = 3, 10


def scaled(width, *channels, of=8):
    """Channels at a width, in multiples of `of`, never down by more than a tenth."""
    rounded = [max(of, int(c * width / of + 0.5) * of) for c in channels]
    rounded = [r + of if r < 0.9 * c * width else r for r, c in zip(rounded, channels)]
    return rounded[0] if len(rounded) == 1 else rounded


def norm(inputs, outputs, size, bias=False, **options):
    """A convolution that keeps the image's size, divided by the stride, and batch normalisation."""
    padding = size // 2 if isinstance(size, int) else tuple(extent // 2 for extent in size)
    options = {"padding": padding, **options}
    return [nn.Conv2d(inputs, outputs, size, bias=bias, **options), nn.BatchNorm2d(outputs)]


def relu(*sizes, act=nn.ReLU, **options):
    """The same, with ReLU or another activation behind it."""
    return [*norm(*sizes, **options), act()]


def shortcut(inputs, outputs, stride, bias=False):
    changes = stride > 1 or inputs != outputs
    return nn.Sequential(*(norm(inputs, outputs, 1, bias, stride=stride) if changes else []))


def stage(block, blocks, inputs, outputs, stride, *rest):
    """Blocks in a row: the first has the stride and changes the channels."""
    first = lambda i: (inputs, outputs, stride) if i == 0 else (outputs, outputs, 1)
    return nn.Sequential(*(block(*first(i), *rest) for i in range(blocks)))


def chain(**parts):
    """Parts one after the other, under names of their own."""
    return nn.Sequential(OrderedDict(parts))


class Branches(nn.Sequential):
    """Parts that see the same image; their channels are joined in order."""

    def forward(self, x):
        return torch.cat([part(x) for part in self], 1)


def branches(**parts):
    return Branches(OrderedDict(parts))
