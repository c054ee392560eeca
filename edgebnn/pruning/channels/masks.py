"""A network in its full shape with channels switched off by TF-MOT masks, so that it can be fine-tuned before the cut.

TF-MOT multiplies weights by their masks whenever a layer is called. For a binarized kernel that is not enough, since
the sign of a latent zero is +1: there the mask acts once more, behind the quantizer. A removed channel then has no
filter, bias, scale or shift, its moving statistics are neutral, and no kernel reads it: it adds 0 to every accumulator.

A proposal of ResNet-20 (made, compiled, ten steps of 128, judged; one thread) takes 1.4 to 1.8 times as long masked as
cut when one group loses a quarter, and 2.5 times when all groups lose three eighths (measured, pairs of runs): TF-MOT's
wrappers cost more than surgery, and a full network computes more. So the search cuts first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebnn._tensorflow import keras, tf
from edgebnn._tfmot import tfmot
from edgebnn.pruning.channels.coupling import analyse
from edgebnn.pruning.channels.quantizers import elementwise_quantizer
from edgebnn.pruning.channels.surgery import Keep, layer_at, rebuilding, survivors
from edgebnn.pruning.channels.tracing import Names, Site

_QUANTIZERS: Mapping[str, str] = {
    "kernel": "kernel_quantizer",
    "depthwise_kernel": "depthwise_quantizer",
    "pointwise_kernel": "pointwise_quantizer",
}
_NEUTRAL: Mapping[str, float] = {"moving_variance": 1.0}  # of a channel that is 0 everywhere; all else is 0


def masked(model: keras.Model, keep: Keep) -> keras.Model:
    """``model`` with the channels that ``keep`` leaves out switched off: a copy, trainable, not compiled.

    Layers that change are wrapped by TF-MOT's ``prune_low_magnitude`` (and so renamed) with masks that never change;
    no callback is needed. Its output and its training are those of :func:`.surgery.cut` up to the
    rounding of floating-point sums. :func:`unmask` takes the wrappers off. Raises :class:`InputError` as ``cut`` does.
    """
    coupling = analyse(model)
    alive = survivors(coupling, keep)
    sites = coupling.trace.sites
    touched = {names: site for names, site in sites.items() if any(not alive[axis.ids].all() for axis in site.axes)}
    with rebuilding(model):
        result = _wrapped(model, (), touched, alive)
    for names, site in sites.items():
        if site.layer.weights:
            layer = _counterpart(result, names)
            layer.set_weights(_switched_off(site, alive))
            if names in touched:
                _set_masks(layer, site, alive)
    return result


def unmask(trained: keras.Model, model: keras.Model) -> keras.Model:
    """The plain network like ``model`` with the weights of ``trained``, which :func:`masked` made of it.

    Its binarized layers see removed channels as +1 again until they are cut: ``cut(unmask(trained, model), keep)``.
    """
    with rebuilding(model):
        plain = keras.models.clone_model(model)
    for names, site in analyse(model).trace.sites.items():
        if site.layer.weights:
            layer_at(plain, names).set_weights(_counterpart(trained, names).get_weights())
    return plain


class FixedMask(tfmot.sparsity.keras.PruningSchedule):  # type: ignore[misc]
    """A schedule by which TF-MOT applies masks and never chooses new ones."""

    def __call__(self, step: Any) -> tuple[Any, Any]:
        return tf.constant(False), tf.constant(0.0)

    def get_config(self) -> dict[str, Any]:
        return {}


class MaskedQuantizer:
    """A kernel quantizer behind which removed channels are 0.

    A quantizer that takes a scale or threshold from the whole kernel sees the surviving part of it only, as it will
    after surgery.
    """

    def __init__(self, quantizer: Any, alive: Mapping[int, NDArray[np.bool_]], mask: NDArray[np.float32]) -> None:
        self.quantizer = quantizer
        self.precision = getattr(quantizer, "precision", None)
        self._mask = mask
        self._kept = {axis: np.flatnonzero(stays) for axis, stays in alive.items()}
        # places of the surviving part to read the whole from; one past its end lies a zero
        self._places = {axis: np.where(stays, np.cumsum(stays) - 1, stays.sum()) for axis, stays in alive.items()}

    def __call__(self, kernel: Any) -> Any:
        if elementwise_quantizer(self.quantizer):
            return self.quantizer(kernel) * tf.cast(self._mask, kernel.dtype)
        for axis, kept in self._kept.items():
            kernel = tf.gather(kernel, kept, axis=axis)
        kernel = self.quantizer(kernel)
        for axis, places in self._places.items():
            zero = [[0, int(other == axis)] for other in range(len(kernel.shape))]
            kernel = tf.gather(tf.pad(kernel, zero), places, axis=axis)
        return kernel


def _wrapped(model: keras.Model, prefix: Names, touched: Mapping[Names, Site], alive: NDArray[np.bool_]) -> keras.Model:
    """A clone of ``model`` whose ``touched`` layers TF-MOT knows how to mask."""

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        names = (*prefix, layer.name)
        if isinstance(layer, keras.Model):
            return _wrapped(layer, names, touched, alive)
        fresh = type(layer).from_config(layer.get_config())
        if names not in touched:
            return fresh
        _make_prunable(fresh, touched[names], alive)
        return tfmot.sparsity.keras.prune_low_magnitude(fresh, pruning_schedule=FixedMask())

    return keras.models.clone_model(model, clone_function=clone)


def _make_prunable(layer: keras.layers.Layer, site: Site, alive: NDArray[np.bool_]) -> None:
    """Tell TF-MOT which weights of an unbuilt layer it shall mask, and mask quantized ones behind the quantizer."""
    attributes = _maskable(site)
    # latent weights: TF-MOT multiplies them in place, outside Larq's quantized scope
    layer.get_prunable_weights = lambda: [
        getattr(weight, "latent_variable", weight) for weight in (getattr(layer, name) for name in attributes)
    ]
    for attribute in attributes:
        quantizer = getattr(layer, _QUANTIZERS.get(attribute, ""), None)
        if quantizer is not None:
            axes = {axis.axis: alive[axis.ids] for axis in site.axes if axis.attribute == attribute}
            masking = MaskedQuantizer(quantizer, axes, _mask(site, attribute, alive))
            setattr(layer, _QUANTIZERS[attribute], masking)


def _maskable(site: Site) -> list[str]:
    """Attributes of the weights that are trained and hold channels; moving statistics follow by themselves."""
    names = dict.fromkeys(axis.attribute for axis in site.axes)
    return [name for name in names if not name.startswith("moving_")]


def _mask(site: Site, attribute: str, alive: NDArray[np.bool_]) -> NDArray[np.float32]:
    """1 where a weight belongs to surviving channels on all its axes, else 0."""
    mask = np.ones(tuple(getattr(site.layer, attribute).shape), np.float32)
    for axis in site.axes:
        if axis.attribute == attribute:
            shape = [-1 if other == axis.axis else 1 for other in range(mask.ndim)]
            mask *= alive[axis.ids].reshape(shape)
    return mask


def _switched_off(site: Site, alive: NDArray[np.bool_]) -> list[NDArray[Any]]:
    """The layer's weights, 0 where they belong to removed channels, and variances 1 there."""
    weights = []
    for variable, value in zip(site.layer.weights, site.layer.get_weights(), strict=True):
        for axis in site.axes:
            if getattr(site.layer, axis.attribute) is variable:
                value = np.where(_mask(site, axis.attribute, alive), value, _NEUTRAL.get(axis.attribute, 0.0))
        weights.append(value)
    return weights


def _set_masks(wrapper: Any, site: Site, alive: NDArray[np.bool_]) -> None:
    for attribute, (_, mask, _) in zip(_maskable(site), wrapper.pruning_vars, strict=True):
        mask.assign(_mask(site, attribute, alive))
    wrapper.pruning_step.assign(1)  # TF-MOT refuses to train before its callback has been at work; there is none here


def _counterpart(model: keras.Model, names: Names) -> keras.layers.Layer:
    """The layer of a masked model, or its wrapper."""
    inner = layer_at(model, names[:-1])
    renamed = f"prune_low_magnitude_{names[-1]}"
    return inner.get_layer(renamed if any(layer.name == renamed for layer in inner.layers) else names[-1])
