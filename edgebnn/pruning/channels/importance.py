"""Which channels matter: one function for each criterion, and the choice of those that stay.

The norm of a filter of signs is constant, so binarized layers are judged by their latent weights, by batch norm, or by
gradients.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgebnn._tensorflow import keras, lq, tf
from edgebnn.errors import InputError
from edgebnn.pruning.channels.coupling import Coupling, Group, analyse
from edgebnn.pruning.channels.tracing import DEPTHWISE, INPUT, NORMALIZATION, OUTPUT, Site, WeightAxis

Samples: TypeAlias = tuple[NDArray[Any], NDArray[Any]]
"""(images as the model takes them, labels [N])."""

BATCH = 32  # images in each gradient of the Taylor criterion


class Importance(Protocol):
    """A criterion: how much each of a group's channels matters, [channels], larger is more."""

    def __call__(self, model: keras.Model, group: Group, samples: Samples | None, seed: int) -> NDArray[np.float64]: ...


def l2(model: keras.Model, group: Group, samples: Samples | None = None, seed: int = 0) -> NDArray[np.float64]:
    """L2 norm of the filters that produce a channel (Li et al., "Pruning Filters", ICLR 2017; NetAdapt), latent ones.

    Where several layers produce it, each layer's norms are divided by their mean, so that none outweighs the others,
    and added. Layers without a filter of their own for the channel (depthwise ones) count where nothing else does.
    """
    coupling = analyse(model)
    for role in (OUTPUT, DEPTHWISE):
        norms = [
            np.sqrt(_by_channel(coupling, group, axis, np.square(_value(site, axis))))
            for site, axis in _axes(coupling, group, role)
            if axis.attribute != "bias"
        ]
        if norms:
            return _total([norm / max(float(norm.mean()), np.finfo(np.float64).tiny) for norm in norms])
    raise InputError(f"{group.name}: no layer with weights produces these channels, so they have no L2 norm")


def gamma(model: keras.Model, group: Group, samples: Samples | None = None, seed: int = 0) -> NDArray[np.float64]:
    """Absolute scale of batch normalization (Liu et al., "Network Slimming", ICCV 2017), summed over a group's norms.

    Raises :class:`InputError` for a group that no batch norm with a scale belongs to.
    """
    coupling = analyse(model)
    scales = [
        np.abs(_by_channel(coupling, group, axis, _value(site, axis)))
        for site, axis in _axes(coupling, group, NORMALIZATION)
        if axis.attribute == "gamma"
    ]
    if not scales:
        raise InputError(
            f"{group.name}: has no batch normalization with a scale: choose another importance, such as l2"
        )
    return _total(scales)


def taylor(model: keras.Model, group: Group, samples: Samples | None, seed: int = 0) -> NDArray[np.float64]:
    """First-order estimate of what removing a channel does to the loss, squared (Molchanov et al., CVPR 2019).

    A channel is removed by zeroing the kernel rows that read it, so the estimate is the sum of weight times gradient
    over those rows, squared and averaged over batches of 32 samples; for quantized kernels of quantized weight times
    latent gradient, which is the same gradient wherever the straight-through estimator passes it on. The loss is
    cross-entropy of logits in inference mode. Raises :class:`InputError` without samples, for a model with several
    outputs, and for channels that no kernel reads.
    """
    if samples is None or not len(samples[1]):
        raise InputError("the Taylor importance needs samples: images and their labels")
    if len(model.outputs) != 1:
        raise InputError(f"{model.name}: the Taylor importance needs a model with one output, logits [N, classes]")
    coupling = analyse(model)
    readers = _axes(coupling, group, INPUT)
    if not readers:
        raise InputError(f"{group.name}: no kernel reads these channels: choose another importance than taylor")
    variables = [getattr(site.layer, axis.attribute) for site, axis in readers]
    values = [_quantized(site, axis) for site, axis in readers]
    total = np.zeros(group.channels)
    batches = list(_batches(samples))
    for images, labels in batches:
        gradients = _gradients(model, variables, images, labels)
        parts = [
            _by_channel(coupling, group, axis, value * gradient)
            for (_, axis), value, gradient in zip(readers, values, gradients, strict=True)
        ]
        total += np.square(_total(parts))
    return total / len(batches)


def random(model: keras.Model, group: Group, samples: Samples | None = None, seed: int = 0) -> NDArray[np.float64]:
    """The control: uniform numbers that depend on the seed and the group's name alone."""
    return np.random.default_rng([seed, zlib.crc32(group.name.encode())]).random(group.channels)


IMPORTANCES: Mapping[str, Importance] = MappingProxyType({"l2": l2, "gamma": gamma, "taylor": taylor, "random": random})


def keep(scores: NDArray[np.float64], channels: int) -> list[int]:
    """The ``channels`` highest scores' indices, ascending; of equal scores the first ones.

    Raises :class:`InputError` for a number that there are not, or scores that are not finite.
    """
    if not 1 <= channels <= len(scores):
        raise InputError(f"of {len(scores)} channels 1 to {len(scores)} can be kept, not {channels}")
    if not np.isfinite(scores).all():
        raise InputError("importance scores are not finite: the network's weights or gradients have overflowed")
    return sorted(np.argsort(-np.asarray(scores), kind="stable")[:channels].tolist())


def _axes(coupling: Coupling, group: Group, role: str) -> list[tuple[Site, WeightAxis]]:
    """Where a group's channels lie in weights, in the order of the graph."""
    number = coupling.plan.groups.index(group)
    return [
        (site, axis)
        for site in coupling.trace.sites.values()
        for axis in site.axes
        if axis.role == role and (coupling.group_of[axis.ids] == number).any()
    ]


def _value(site: Site, axis: WeightAxis) -> NDArray[np.float64]:
    return np.asarray(getattr(site.layer, axis.attribute).numpy(), np.float64)


def _quantized(site: Site, axis: WeightAxis) -> NDArray[np.float64]:
    """What a latent gradient is multiplied by: the quantized weight, less the scale that the gradient already has."""
    variable = getattr(site.layer, axis.attribute)
    quantizer = getattr(variable, "quantizer", None)
    if quantizer is None:
        return _value(site, axis)
    if isinstance(quantizer, lq.quantizers.MagnitudeAwareSign):
        return np.where(_value(site, axis) >= 0, 1.0, -1.0)
    return np.asarray(quantizer(tf.constant(variable.numpy())), np.float64)


def _by_channel(coupling: Coupling, group: Group, axis: WeightAxis, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum of ``values``, laid out as a weight, over everything that belongs to each of the group's channels."""
    sums = np.moveaxis(values, axis.axis, 0).reshape(len(axis.ids), -1).sum(axis=1)
    inside = coupling.group_of[axis.ids] == coupling.plan.groups.index(group)
    totals: NDArray[np.float64] = np.zeros(group.channels)
    np.add.at(totals, coupling.place_of[axis.ids[inside]], sums[inside])
    return totals


def _total(parts: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    total: NDArray[np.float64] = np.sum(parts, axis=0)
    return total


def _batches(samples: Samples) -> Iterator[Samples]:
    images, labels = samples
    for start in range(0, len(labels), BATCH):
        yield images[start : start + BATCH], labels[start : start + BATCH]


def _gradients(
    model: keras.Model, variables: list[Any], images: NDArray[Any], labels: NDArray[Any]
) -> list[NDArray[np.float64]]:
    with tf.GradientTape() as tape:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
            tf.cast(labels, tf.int32), tf.cast(model(images, training=False), tf.float32)
        )
        loss = tf.reduce_mean(losses)
    gradients = tape.gradient(loss, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return [np.asarray(gradient, np.float64) for gradient in gradients]
