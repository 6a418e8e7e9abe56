"""Makes torchvision_logits.json: for torchvision's ImageNet classifiers the parameters, a digest of the
state dict's keys and shapes, and the logits in float64 of weights and images made by a formula."""
import hashlib
import json

import formula
import torch
import torchvision.models as models

SEED, BATCH, CLASSES, SIZE = 3, 4, 10, 64
NAMES = ["resnet18", "resnet34", "resnet50", "vgg16_bn", "mobilenet_v2", "densenet121", "googlenet"]

images = formula.images(BATCH, 3, SIZE, SEED).double()
found = {}
for name in NAMES:
    options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    net = getattr(models, name)(num_classes=CLASSES, **options)
    for module in net.modules():
        if "Dropout" in type(module).__name__:
            module.p = 0.0
    state = net.state_dict()
    lines = [f"{key} {','.join(map(str, value.shape))}\n" for key, value in state.items()]
    formula.fill(net, SEED)
    net.double()
    with torch.no_grad():
        evaluated = net.eval()(images)
        trained = net.train()(images)
    rounded = lambda logits: [[float(f"{v:.8g}") for v in row] for row in logits.tolist()]
    found[name] = {
        "parameters": sum(p.numel() for p in net.parameters()),
        "keys": len(state),
        "sha256": hashlib.sha256("".join(lines).encode()).hexdigest(),
        "logits_eval": rounded(evaluated),
        "logits_train": rounded(trained),
    }
print(json.dumps(found))
