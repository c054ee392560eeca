"""A smaller network of the surviving weights: channels are removed for good, and names and graph stay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebnn._tensorflow import keras
from edgebnn.errors import InputError
from edgebnn.pruning.channels.coupling import Coupling, Plan, analyse
from edgebnn.pruning.channels.tracing import Names, Site

Keep = Mapping[str, Sequence[int]]
"""For each group by name the channels that stay; a group that is not named keeps all."""


def cut(model: keras.Model, keep: Keep) -> keras.Model:
    """``model`` without the channels that ``keep`` leaves out: same layers by name, not compiled, ``model`` unchanged.

    Its output is that of :class:`.masks.Masked` with the same channels off. Raises :class:`InputError` for
    an unknown group, for channels a group does not have or cannot lose, and for layers that Keras cannot rebuild.
    """
    coupling = analyse(model)
    alive = survivors(coupling, keep)
    with rebuilding(model):
        smaller = type(model).from_config(_resized(model.get_config(), (), coupling.trace.sites, alive))
        for names, site in coupling.trace.sites.items():
            if site.layer.weights:
                layer_at(smaller, names).set_weights(surviving_weights(site, alive))
    return smaller


@contextmanager
def rebuilding(model: keras.Model) -> Iterator[None]:
    """Within it Keras knows the classes of the model's own layers and trusts its Lambdas: they ran before.

    Turns Keras' complaints about configurations into :class:`InputError`.
    """
    own = {type(layer).__name__: type(layer) for layer in model._flatten_layers() if layer is not model}
    try:
        with keras.src.saving.serialization_lib.SafeModeScope(False), keras.utils.custom_object_scope(own):
            yield
    except (TypeError, ValueError, NotImplementedError) as error:
        raise InputError(
            f"{model.name}: cannot be rebuilt from its layers' configurations ({str(error).splitlines()[0]}): give "
            f"custom layers and quantizers a get_config and register them with keras.utils.register_keras_serializable"
        ) from error


def survivors(coupling: Coupling, keep: Keep) -> NDArray[np.bool_]:
    """For each traced channel whether it stays; raises :class:`InputError` as :func:`cut` does."""
    plan = coupling.plan
    stays = {group.name: np.ones(group.channels, np.bool_) for group in plan.groups}
    for name, channels in keep.items():
        stays[name] = _kept(plan, name, channels)
    starts = np.cumsum([0, *(group.channels for group in plan.groups)])[:-1]
    flat: NDArray[np.bool_] = np.concatenate([stays[group.name] for group in plan.groups])
    return np.take(flat, starts[coupling.group_of] + coupling.place_of)


def _kept(plan: Plan, name: str, channels: Sequence[int]) -> NDArray[np.bool_]:
    group = plan.group(name)
    kept = np.zeros(group.channels, np.bool_)
    indices = np.asarray(channels, np.int64)
    if not len(indices) or indices.min() < 0 or indices.max() >= group.channels or len(set(indices)) < len(indices):
        raise InputError(f"{name}: keep at least one of its channels 0 to {group.channels - 1}, each once")
    kept[indices] = True
    if not group.prunable and not kept.all():
        raise InputError(f"{name}: its {group.channels} channels cannot be cut: {group.reason}")
    return kept


def _resized(
    config: dict[str, Any], prefix: Names, sites: Mapping[Names, Site], alive: NDArray[np.bool_]
) -> dict[str, Any]:
    """A model's configuration with its layers' sizes, and its inner models', counted anew."""
    layers = []
    for entry in config["layers"]:
        inner = dict(entry["config"])
        names = (*prefix, inner.get("name", entry.get("name")))
        if "layers" in inner:
            inner = _resized(inner, names, sites, alive)
        elif names in sites:
            for size in sites[names].sizes:
                count = int(alive[size.ids].sum())
                inner[size.key] = _with_last(inner[size.key], count) if size.last else count
        layers.append({key: value for key, value in entry.items() if key != "build_config"} | {"config": inner})
    return {key: value for key, value in config.items() if key != "build_input_shape"} | {"layers": layers}


def _with_last(shape: Sequence[int | None], count: int) -> tuple[int | None, ...]:
    return (*shape[:-1], shape[-1] if shape[-1] in (None, -1) else count)


def surviving_weights(site: Site, alive: NDArray[np.bool_]) -> list[NDArray[Any]]:
    """The layer's weights (latent ones, where they are quantized) without the channels that go, in Keras' order."""
    weights = []
    for variable, value in zip(site.layer.weights, site.layer.get_weights(), strict=True):
        for axis in site.axes:
            if getattr(site.layer, axis.attribute) is variable:
                value = np.compress(alive[axis.ids], value, axis=axis.axis)
        weights.append(value)
    return weights


def layer_at(model: keras.Model, names: Names) -> keras.layers.Layer:
    """The layer called ``names[-1]`` in the model inside the model that the names before it lead to."""
    for name in names:
        model = model.get_layer(name)
    return model
