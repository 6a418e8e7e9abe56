/** Activations as layers, under PyTorch's names and with its defaults. */

import {
  celu,
  clamp,
  elu,
  gelu,
  geluTanh,
  hardsigmoid,
  hardswish,
  leakyRelu,
  mish,
  selu,
  softplus,
} from "../tensor/activation.ts";
import { tanh } from "../tensor/pointwise.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Module, Parameter } from "./module.ts";

export class Tanh extends Module {
  protected forward(x: Tensor): Tensor {
    return tanh(x);
  }
}

export class LeakyReLU extends Module {
  constructor(readonly negativeSlope = 0.01) {
    super();
  }
  protected forward(x: Tensor): Tensor {
    return leakyRelu(x, this.negativeSlope);
  }
}

/** One slope for all channels, or one for each. */
export class PReLU extends Module {
  readonly weight: Parameter;

  constructor(numParameters = 1, init = 0.25) {
    super();
    this.weight = new Parameter([numParameters], { value: init });
  }
  protected forward(x: Tensor): Tensor {
    return leakyRelu(x, this.weight);
  }
}

export class Hardtanh extends Module {
  constructor(readonly minVal = -1, readonly maxVal = 1) {
    super();
  }
  protected forward(x: Tensor): Tensor {
    return clamp(x, this.minVal, this.maxVal);
  }
}

export class ELU extends Module {
  constructor(readonly alpha = 1) {
    super();
  }
  protected forward(x: Tensor): Tensor {
    return elu(x, this.alpha);
  }
}

export class CELU extends Module {
  constructor(readonly alpha = 1) {
    super();
  }
  protected forward(x: Tensor): Tensor {
    return celu(x, this.alpha);
  }
}

export class SELU extends Module {
  protected forward(x: Tensor): Tensor {
    return selu(x);
  }
}

export class GELU extends Module {
  constructor(readonly approximate: "none" | "tanh" = "none") {
    super();
  }
  protected forward(x: Tensor): Tensor {
    return this.approximate === "tanh" ? geluTanh(x) : gelu(x);
  }
}

export class Softplus extends Module {
  protected forward(x: Tensor): Tensor {
    return softplus(x);
  }
}

export class Mish extends Module {
  protected forward(x: Tensor): Tensor {
    return mish(x);
  }
}

export class Hardsigmoid extends Module {
  protected forward(x: Tensor): Tensor {
    return hardsigmoid(x);
  }
}

export class Hardswish extends Module {
  protected forward(x: Tensor): Tensor {
    return hardswish(x);
  }
}
