"""A network in its full shape whose channels TF-MOT's masks switch off, so that it is trained while they go.

TF-MOT multiplies weights by their masks whenever a layer is called. For a binarized kernel that is not enough, since
the sign of a latent zero is +1: there the mask acts once more, behind the quantizer. A channel that is switched off has
no filter, bias, scale or shift, and no kernel reads it: it adds 0 to every accumulator, whatever its batch norms'
averages are. So with the same channels off, :func:`.surgery.cut` leaves the output as it is.

TF-MOT's own choice of what goes is by single weights; here whole channels go, so its masks are set from outside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebnn._tensorflow import keras, tf
from edgebnn._tfmot import tfmot
from edgebnn.pruning.channels.coupling import Coupling, analyse
from edgebnn.pruning.channels.quantizers import elementwise_quantizer
from edgebnn.pruning.channels.surgery import Keep, layer_at, rebuilding, survivors
from edgebnn.pruning.channels.tracing import Names, Site

_QUANTIZERS: Mapping[str, str] = {
    "kernel": "kernel_quantizer",
    "depthwise_kernel": "depthwise_quantizer",
    "pointwise_kernel": "pointwise_quantizer",
}


@dataclass(frozen=True)
class Masked:
    """A network under masks, and what it was made of.

    Attributes:
        model: the network to train; layers that lose channels are wrapped by TF-MOT (and so renamed). Not compiled.
        coupling: of the plain network.
        touched: the plain network's layers that lose channels.
    """

    model: keras.Model
    coupling: Coupling
    touched: Mapping[Names, Site]

    def switch_off(self, keep: Keep) -> None:
        """Switch off the channels that ``keep`` leaves out, from the next call of the model on, and no others.

        What was off before comes back as zeros. Raises :class:`InputError` as :func:`.surgery.cut` does.
        """
        alive = survivors(self.coupling, keep)
        for names, site in self.touched.items():
            wrapper = _counterpart(self.model, names)
            for attribute, (_, mask, _) in zip(_maskable(site), wrapper.pruning_vars, strict=True):
                mask.assign(_mask(site, attribute, alive))

    def unmask(self) -> None:
        """Give the plain network the weights trained since; it must not have been cut.

        Its binarized layers see channels that were off as +1 again until they are cut.
        """
        for names, site in self.coupling.trace.sites.items():
            if site.layer.weights:
                site.layer.set_weights(_counterpart(self.model, names).get_weights())


def masked(model: keras.Model, keep: Keep) -> Masked:
    """A copy of ``model`` in which the channels that ``keep`` leaves out can be switched off; all are still on.

    It trains as any other network does; no callback is needed. Raises :class:`InputError` as :func:`.surgery.cut` does.
    """
    coupling = analyse(model)
    alive = survivors(coupling, keep)
    sites = coupling.trace.sites
    touched = {names: site for names, site in sites.items() if any(not alive[axis.ids].all() for axis in site.axes)}
    with rebuilding(model):
        wrapped = _wrapped(model, (), touched)
    for names, site in sites.items():
        if site.layer.weights:
            layer = _counterpart(wrapped, names)
            layer.set_weights(site.layer.get_weights())
            if names in touched:
                layer.pruning_step.assign(1)  # TF-MOT trains only once its callback was at work; there is none here
    return Masked(wrapped, coupling, touched)


def channels_off(step: int, steps: int, going: int, channels: int) -> int:
    """How many of the ``going`` channels, out of ``channels``, are off in a training step (from 0).

    By TF-MOT's polynomial decay (Zhu and Gupta, "To prune, or not to prune", 2017): fast at first. All are off from the
    middle of the ``steps`` on, so that what stays is trained as it will be.
    """
    schedule = tfmot.sparsity.keras.PolynomialDecay(0.0, going / channels, 0, max(1, steps // 2), frequency=1)
    _, sparsity = schedule(step + 1)
    return round(float(sparsity) * channels)


class FixedMask(tfmot.sparsity.keras.PruningSchedule):  # type: ignore[misc]
    """A schedule by which TF-MOT applies masks and never chooses new ones."""

    def __call__(self, step: Any) -> tuple[Any, Any]:
        return tf.constant(False), tf.constant(0.0)

    def get_config(self) -> dict[str, Any]:
        return {}


class MaskedQuantizer:
    """A kernel quantizer behind which channels that are off are 0.

    A quantizer that takes a scale or threshold from the whole kernel sees the surviving part of it only, as it will
    after surgery. ``mask`` gives the kernel's mask, whose ``axes`` hold channels.
    """

    def __init__(self, quantizer: Any, axes: tuple[int, ...], mask: Callable[[], Any]) -> None:
        self.quantizer = quantizer
        self.precision = getattr(quantizer, "precision", None)
        self._axes, self._mask = axes, mask

    def __call__(self, kernel: Any) -> Any:
        mask = self._mask()
        if elementwise_quantizer(self.quantizer):
            return self.quantizer(kernel) * tf.cast(mask, kernel.dtype)
        rank = len(kernel.shape)
        alive = {
            axis: tf.reduce_any(mask > 0, [other for other in range(rank) if other != axis]) for axis in self._axes
        }
        for axis, stays in alive.items():
            kernel = tf.gather(kernel, tf.where(stays)[:, 0], axis=axis)
        kernel = self.quantizer(kernel)
        for axis, stays in alive.items():
            ends = tf.cumsum(tf.cast(stays, tf.int32))
            places = tf.where(stays, ends - 1, ends[-1])  # in the surviving part; one past its end lies a zero
            kernel = tf.gather(tf.pad(kernel, [[0, int(other == axis)] for other in range(rank)]), places, axis=axis)
        return kernel


def _wrapped(model: keras.Model, prefix: Names, touched: Mapping[Names, Site]) -> keras.Model:
    """A clone of ``model`` whose ``touched`` layers TF-MOT knows how to mask."""

    def clone(layer: keras.layers.Layer) -> keras.layers.Layer:
        names = (*prefix, layer.name)
        if isinstance(layer, keras.Model):
            return _wrapped(layer, names, touched)
        fresh = type(layer).from_config(layer.get_config())
        return _prunable(fresh, touched[names]) if names in touched else fresh

    return keras.models.clone_model(model, clone_function=clone)


def _prunable(layer: keras.layers.Layer, site: Site) -> keras.layers.Layer:
    """An unbuilt layer, wrapped; TF-MOT is told what to mask, and quantized weights are masked behind the quantizer."""
    attributes = _maskable(site)
    # latent weights: TF-MOT multiplies them in place, outside Larq's quantized scope
    layer.get_prunable_weights = lambda: [
        getattr(weight, "latent_variable", weight) for weight in (getattr(layer, name) for name in attributes)
    ]
    wrapper = tfmot.sparsity.keras.prune_low_magnitude(layer, pruning_schedule=FixedMask())
    for index, attribute in enumerate(attributes):
        quantizer = getattr(layer, _QUANTIZERS.get(attribute, ""), None)
        if quantizer is not None:
            axes = tuple(axis.axis for axis in site.axes if axis.attribute == attribute)
            setattr(layer, _QUANTIZERS[attribute], MaskedQuantizer(quantizer, axes, partial(_mask_of, wrapper, index)))
    return wrapper


def _mask_of(wrapper: Any, index: int) -> Any:
    """The mask of a wrapped layer's weight, by its place in :func:`_maskable`; there once the layer is built."""
    return wrapper.pruning_vars[index][1]


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


def _counterpart(model: keras.Model, names: Names) -> keras.layers.Layer:
    """The layer of a masked model, or its wrapper."""
    inner = layer_at(model, names[:-1])
    renamed = f"prune_low_magnitude_{names[-1]}"
    return inner.get_layer(renamed if any(layer.name == renamed for layer in inner.layers) else names[-1])
