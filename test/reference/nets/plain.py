"""Networks of models/ without branches: perceptrons, LeNet, AlexNet, VGG, SimpleNet and our own."""
import torch.nn as nn

from .blocks import CHANNELS, CLASSES, chain, relu, scaled


def mlp(*hidden):
    sizes = [CHANNELS * 32 * 32, *hidden]
    layers = [part for i, o in zip(sizes, sizes[1:]) for part in (nn.Linear(i, o), nn.ReLU())]
    return chain(flat=nn.Flatten(), features=nn.Sequential(*layers), classifier=nn.Linear(sizes[-1], CLASSES))


def lenet(units):
    return chain(
        conv1=nn.Conv2d(CHANNELS, 20, 5), relu1=nn.ReLU(), pool1=nn.MaxPool2d(2),
        conv2=nn.Conv2d(20, 50, 5), relu2=nn.ReLU(), pool2=nn.MaxPool2d(2), flat=nn.Flatten(),
        fc1=nn.Linear(50 * 5 * 5, units), relu3=nn.ReLU(), fc2=nn.Linear(units, CLASSES),
    )


def small(width=1):
    c = [CHANNELS, *scaled(width, 32, 64, 128)]
    stages = [part for i, o in zip(c, c[1:]) for part in (*relu(i, o, 3), nn.MaxPool2d(2))]
    return chain(features=nn.Sequential(*stages), flat=nn.Flatten(), fc=nn.Linear(c[3] * 4 * 4, CLASSES))


def alexnet(width=1):
    c1, c2, c3, c4, hidden = scaled(width, 64, 192, 384, 256, 4096)
    conv = lambda i, o, stride=1: (nn.Conv2d(i, o, 3, stride, 1), nn.ReLU())
    return chain(
        features=nn.Sequential(
            *conv(CHANNELS, c1, 2), nn.MaxPool2d(2), *conv(c1, c2), nn.MaxPool2d(2),
            *conv(c2, c3), *conv(c3, c4), *conv(c4, c4), nn.MaxPool2d(2),
        ),
        flat=nn.Flatten(), classifier=nn.Sequential(
            nn.Dropout(), nn.Linear(c4 * 2 * 2, hidden), nn.ReLU(),
            nn.Dropout(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, CLASSES),
        ),
    )


def vgg_features(convolutions, width=1):
    parts, inputs = [], CHANNELS
    for count, channels in zip(convolutions, (64, 128, 256, 512, 512)):
        for _ in range(count):
            outputs = scaled(width, channels)
            parts += relu(inputs, outputs, 3, bias=True)
            inputs = outputs
        parts.append(nn.MaxPool2d(2))
    return nn.Sequential(*parts)


def vgg_head(inputs, hidden):
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.ReLU(), nn.Dropout(),
        nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(), nn.Linear(hidden, CLASSES),
    )


def vgg(convolutions, width=1):
    features, head = vgg_features(convolutions, width), vgg_head(*scaled(width, 512, 4096))
    return chain(features=features, flat=nn.Flatten(), classifier=head)


def simplenet(width=1):
    """Kernels of 3 x 3 but for two of 1 x 1, in stages between which the largest of 2 x 2 pixels is taken."""
    stages = ([64, 128, 128, 128], [128, 128, 256], [256, 256], [512], [2048, 256], [256])
    parts, inputs = [], CHANNELS
    for i, channels in enumerate(stages):
        parts += [nn.MaxPool2d(2), nn.Dropout2d(0.1)] if i > 0 else []
        for outputs in (scaled(width, c) for c in channels):
            size = 1 if i == 4 else 3
            conv = nn.Conv2d(inputs, outputs, size, padding=size // 2)
            parts += [conv, nn.BatchNorm2d(outputs, momentum=0.05), nn.ReLU()]
            inputs = outputs
    return chain(
        features=nn.Sequential(*parts), pool=nn.AdaptiveMaxPool2d(1), drp=nn.Dropout(0.1),
        flat=nn.Flatten(), classifier=nn.Linear(inputs, CLASSES),
    )
