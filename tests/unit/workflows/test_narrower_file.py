"""What a file takes with fewer channels, counted: as much as one that is really cut and converted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgebnn._tensorflow import keras, lq
from edgebnn.errors import InputError
from edgebnn.models.resnet import resnet
from edgebnn.pruning.channels import surgery
from edgebnn.pruning.channels.coupling import couple
from edgebnn.workflows.deploying import deployed, format_of, resources
from edgebnn.workflows.narrower_file import NarrowerFile
from edgebnn.workflows.prune import file_costs


def joined_and_gated() -> Any:
    """Concatenation, a gate, slopes, a depthwise layer, and a flattened map that a dense layer reads."""
    images = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Conv2D(8, 3, padding="same", name="first")(images)
    y = keras.layers.PReLU(shared_axes=(1, 2))(keras.layers.Conv2D(6, 1, name="second")(x))
    x = keras.layers.Concatenate()([x, y])
    gate = keras.layers.Dense(4, activation="relu", name="squeeze")(keras.layers.GlobalAveragePooling2D()(x))
    gate = keras.layers.Reshape((1, 1, 14))(keras.layers.Dense(14, activation="sigmoid", name="excite")(gate))
    x = keras.layers.Multiply()([x, gate])
    x = keras.layers.DepthwiseConv2D(3, strides=2, name="depthwise")(keras.layers.ZeroPadding2D()(x))
    x = keras.layers.Flatten()(x)
    return keras.Model(images, keras.layers.Dense(5, name="logits")(x), name="joined")


def binary_with_pooling() -> Any:
    """Signs in words of 32 channels, pooled as words, in a residual graph that is dense at its end."""
    images = keras.Input((8, 8, 3), name="image")
    signs = {"input_quantizer": "ste_sign", "kernel_quantizer": "ste_sign", "kernel_constraint": "weight_clip"}
    plain = {"padding": "same", "pad_values": 1.0, "use_bias": False}
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(40, 3, padding="same", name="first")(images))
    y = lq.layers.QuantConv2D(40, 3, name="one", **plain, **signs)(x)
    x = keras.layers.Add()([x, keras.layers.BatchNormalization()(y)])
    x = keras.layers.MaxPooling2D()(lq.layers.QuantConv2D(70, 3, name="two", **plain, **signs)(x))
    x = lq.layers.QuantConv2D(36, 3, name="three", **plain, **signs)(keras.layers.BatchNormalization()(x))
    x = keras.layers.Flatten()(keras.layers.BatchNormalization()(x))
    return keras.Model(images, keras.layers.Dense(5, name="logits")(x), name="binary")


NETWORKS: dict[str, Callable[[], Any]] = {
    "joined and gated": joined_and_gated,
    "binary with pooling": binary_with_pooling,
    "w1a8": lambda: resnet(depth=8, widths=(8, 16, 40), precision="w1a8"),
}


def trained(weight: Any, rng: np.random.Generator) -> Any:
    """No two weights alike: equal constants are one in a file."""
    return weight * rng.uniform(0.5, 1.5, weight.shape) + (weight == 0) * rng.uniform(0.05, 0.1, weight.shape)


@pytest.mark.parametrize("name", NETWORKS)
def test_it_takes_what_the_cut_and_converted_network_takes(name: str) -> None:
    keras.utils.set_random_seed(5)
    model, rng = NETWORKS[name](), np.random.default_rng(5)
    model.set_weights([trained(weight, rng) for weight in model.get_weights()])
    images = rng.normal(size=(4, *model.input_shape[1:])).astype(np.float32)
    plan = couple(model)
    form = format_of(plan.layers())
    file = NarrowerFile(deployed(model, form, images).graph, plan)
    keep = {group.name: range(int(rng.integers(group.channels // 2, group.channels + 1))) for group in plan.prunable}
    assert len(keep) >= 3
    smaller = resources(deployed(surgery.cut(model, keep), form, images).graph)
    assert resources(file.at({group: len(kept) for group, kept in keep.items()})) == smaller


@pytest.mark.parametrize("name", NETWORKS)
def test_of_an_untrained_network_it_is_counted_what_training_leaves(name: str) -> None:
    """Its constants are alike, and so once in the file, but not for long."""
    keras.utils.set_random_seed(5)
    model, rng = NETWORKS[name](), np.random.default_rng(5)
    before = model.get_weights()
    images = rng.normal(size=(4, *model.input_shape[1:])).astype(np.float32)
    plan = couple(model)
    form = format_of(plan.layers())
    costs = file_costs(model, lambda network: deployed(network, form, images), "flash")
    assert costs.cost is not None
    assert costs.measure_whole is not None
    smaller = surgery.cut(model, {group.name: range(group.channels // 2) for group in plan.prunable})
    counted = costs.cost({group.name: group.channels // 2 for group in plan.prunable})["flash"]
    assert costs.measure_whole(smaller) < counted
    smaller.set_weights([trained(weight, rng) for weight in smaller.get_weights()])
    assert costs.measure_whole(smaller) == counted
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_the_file_as_it_is_takes_what_it_takes_and_impossible_widths_are_refused() -> None:
    model = joined_and_gated()
    graph, plan = deployed(model, "float").graph, couple(model)
    file = NarrowerFile(graph, plan)
    assert resources(file.at(plan.widths)) == resources(graph)
    with pytest.raises(InputError, match="second: has 1 to 6 channels, not 7"):
        file.at({"second": 7})
