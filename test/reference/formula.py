"""Numbers from a formula, so that no file of weights is needed: ../support/reference.ts has the same.

    x = i 0x9E3779B1 + crc32(name) + seed 0x85EBCA6B (mod 2^32),   u = (mix(x) >> 8) / 2^24
"""
import zlib

import numpy
import torch


def uniform(name, count, seed):
    """Numbers in [0, 1)."""
    start = (zlib.crc32(name.encode()) + seed * 0x85EBCA6B) & 0xFFFFFFFF
    x = numpy.arange(count, dtype=numpy.uint32) * numpy.uint32(0x9E3779B1) + numpy.uint32(start)
    x = (x ^ x >> 16) * numpy.uint32(0x7FEB352D)
    x = (x ^ x >> 15) * numpy.uint32(0x846CA68B)
    x ^= x >> 16
    return torch.from_numpy((x >> 8).astype(numpy.float64) / 2**24)


def fill(net, seed):
    """Gives a network its weights; counters stay."""
    state = net.state_dict()
    for key, value in state.items():
        if not key.endswith("num_batches_tracked"):
            state[key] = weights(key, value.shape, seed).float()
    net.load_state_dict(state)


def weights(name, shape, seed):
    noise = 2 * uniform(name, shape.numel(), seed).reshape(shape) - 1
    if name.endswith("running_var") or name.endswith("weight") and len(shape) == 1:
        return 1 + 0.1 * noise
    return noise * (0.1 if len(shape) <= 1 else (6 / shape[1:].numel()) ** 0.5)


def images(batch, channels, size, seed):
    draws = uniform("input", batch * channels * size**2, seed)
    return ((2 * draws - 1) * 1.7).reshape(batch, channels, size, size).float()
