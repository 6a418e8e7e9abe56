"""The classifiers of models/ in PyTorch, under their names there: written here anew, from their papers' tables and
with the names of their weights, so that a mistake is not made twice. Those that come in widths take one."""
from . import torchvision as tv
from .blocks import CHANNELS, CLASSES
from .inception import Xception, googlenet, inceptionv3
from .mobile import SqueezeNet, efficientnetv2s, mnasnet, mobilenetv2, shufflenetv2
from .plain import alexnet, lenet, mlp, simplenet, small, vgg
from .residual import densenet, resnet, resnext, senet, wideresnet

MLPS = ((50, 30), (512,), (512, 512, 512), (256, 256), (390, 390))
VGGS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
RESNETS = {18: ((2, 2, 2, 2), 1), 34: ((3, 4, 6, 3), 1), 50: ((3, 4, 6, 3), 4), 101: ((3, 4, 23, 3), 4)}

IN_WIDTHS = {
    "small": small, "alexnet": alexnet, "googlenet": googlenet, "inceptionv3": inceptionv3, "xception": Xception,
    "simplenetv1": simplenet, "squeezenet": SqueezeNet, "mobilenetv2": mobilenetv2, "mnasnet": mnasnet,
    "efficientnetv2s": efficientnetv2s, "shufflenetv2": shufflenetv2,
    **{f"vgg{depth}": lambda width, blocks=blocks: vgg(blocks, width) for depth, blocks in VGGS.items()},
    **{f"resnet{depth}": lambda width, blocks=blocks, e=e: resnet(blocks, width, e) for depth, (blocks, e) in RESNETS.items()},
    **{f"senet{depth}": lambda width, depth=depth: senet(RESNETS[depth][0], width) for depth in (18, 34)},
    "wideresnet16": lambda width: wideresnet(16, 4, width), "wideresnet28": lambda width: wideresnet(28, 10, width),
    "resnext50": lambda width: resnext((3, 4, 6, 3), width),
    "densenet121": lambda width: densenet((6, 12, 24, 16), width),
    "densenet169": lambda width: densenet((6, 12, 32, 32), width),
}
IN_ONE_WIDTH = {
    **{"mlp-" + "-".join(map(str, hidden)): lambda hidden=hidden: mlp(*hidden) for hidden in MLPS},
    "lenet256": lambda: lenet(256), "lenet500": lambda: lenet(500),
    **{f"torchvision_resnet{depth}": lambda depth=depth: tv.resnet(*RESNETS[depth]) for depth in (18, 34, 50)},
    "torchvision_vgg16_bn": tv.vgg16_bn, "torchvision_mobilenet_v2": tv.mobilenet_v2,
    "torchvision_densenet121": tv.densenet121, "torchvision_googlenet": tv.googlenet,
}
