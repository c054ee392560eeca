"""Batch norms after surgery: their averages are those of the network before, and a few steps of training change little.

A proposal judged by them looks far worse than it is (float ResNet-8 on CIFAR-10, half of the second stage's channels
cut, after ten steps: 37 % of the held-out images right, 60 % with averages of its own), and how much so differs
from layer to layer. So proposals are compared with averages taken anew, as in Li et al., "EagleEye: Fast Sub-net
Evaluation for Efficient Neural Network Pruning", ECCV 2020 (adaptive batch normalization).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from numpy.typing import NDArray

from edgebnn._tensorflow import keras


def recalibrate(network: keras.Model, batches: Iterable[NDArray[Any]]) -> None:
    """Give every batch norm of ``network``, in place, the mean and variance that it finds in ``batches``, averaged.

    A batch is [N, H, W, C], as the network takes it. Frozen batch norms keep what they have.
    """
    norms = [layer for layer in network.submodules if isinstance(layer, keras.layers.BatchNormalization)]
    if not norms:
        return
    momenta = [layer.momentum for layer in norms]
    try:
        for number, images in enumerate(batches):
            for layer in norms:
                layer.momentum = number / (number + 1)  # each batch counts as much as every one before
            network(images, training=True)
    finally:
        for layer, momentum in zip(norms, momenta, strict=True):
            layer.momentum = momentum
