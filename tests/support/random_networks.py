"""Random Keras networks of every layer type that pruning has a rule for, and of some that it has none for.

All arithmetic is in float64 (use :func:`double_precision`): a network with signs in it is only as equal to another as
its sums are, and a sum that rounds to the other side of zero would flip a sign.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from edgebnn._tensorflow import keras, lq

SIDE = 6  # of the square input images


@contextmanager
def double_precision() -> Iterator[None]:
    """Within it Keras computes in float64."""
    before = keras.backend.floatx()
    keras.backend.set_floatx("float64")
    try:
        yield
    finally:
        keras.backend.set_floatx(before)


class _Builder:
    """Grows a graph: each step takes tensors that are there and adds one."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.maps: list[Any] = []  # feature maps [N, H, W, C]

    def width(self) -> int:
        return int(self.rng.integers(2, 7))

    def pick(self, choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def any_map(self) -> Any:
        """A feature map, rather a late one."""
        return self.maps[-1 - min(int(self.rng.geometric(0.6)) - 1, len(self.maps) - 1)]

    def window(self, x: Any) -> dict[str, Any]:
        """Kernel size, stride and padding that fit ``x``."""
        kernel = self.pick((1, 3)) if x.shape[1] >= 3 else 1
        return {"kernel_size": kernel, "strides": self.pick((1, 1, 2)), "padding": self.pick(("same", "valid"))}

    def signs(self) -> dict[str, Any]:
        """Input quantizer, kernel quantizer and padding of a layer with binary weights."""
        return {
            "input_quantizer": self.pick((None, "ste_sign", "approx_sign")),
            "kernel_quantizer": self.pick(("ste_sign", "magnitude_aware_sign")),
            "pad_values": self.pick((0.0, 1.0)),
        }

    def conv(self, x: Any) -> Any:
        activation = self.pick((None, "relu", "tanh"))
        return keras.layers.Conv2D(
            self.width(), **self.window(x), activation=activation, use_bias=self.pick((True, False))
        )(x)

    def binary_conv(self, x: Any) -> Any:
        x = lq.layers.QuantConv2D(self.width(), **self.window(x), **self.signs())(x)
        return keras.layers.BatchNormalization()(x)

    def grouped_conv(self, x: Any) -> Any:
        groups = self.pick([n for n in (1, 2, 3, x.shape[-1]) if x.shape[-1] % n == 0])
        return keras.layers.Conv2D(groups * self.pick((1, 2)), **self.window(x), groups=groups)(x)

    def depthwise_conv(self, x: Any) -> Any:
        return keras.layers.DepthwiseConv2D(**self.window(x), depth_multiplier=2)(x)

    def binary_depthwise_conv(self, x: Any) -> Any:
        signs = self.signs()
        return lq.layers.QuantDepthwiseConv2D(
            **self.window(x),
            depth_multiplier=self.pick((1, 2)),
            input_quantizer=signs["input_quantizer"],
            depthwise_quantizer="ste_sign",
            pad_values=signs["pad_values"],
        )(x)

    def separable_conv(self, x: Any) -> Any:
        return keras.layers.SeparableConv2D(self.width(), **self.window(x), depth_multiplier=self.pick((1, 2)))(x)

    def binary_separable_conv(self, x: Any) -> Any:
        return lq.layers.QuantSeparableConv2D(
            self.width(),
            **self.window(x),
            input_quantizer="ste_sign",
            depthwise_quantizer="ste_sign",
            pointwise_quantizer="ste_sign",
        )(x)

    def normalize(self, x: Any) -> Any:
        return keras.layers.BatchNormalization(scale=self.pick((True, False)))(x)

    def activate(self, x: Any) -> Any:
        layers = keras.layers
        return self.pick((layers.ReLU, layers.LeakyReLU, layers.PReLU, lambda: layers.PReLU(shared_axes=[1, 2])))()(x)

    def pool(self, x: Any) -> Any:
        layers = keras.layers
        return self.pick((layers.MaxPool2D, layers.AveragePooling2D))(2, 1, padding="same")(x)

    def move(self, x: Any) -> Any:
        layers = keras.layers
        if x.shape[1] <= 4:
            return self.pick((layers.ZeroPadding2D(1), layers.UpSampling2D(2), layers.Permute((2, 1, 3))))(x)
        return layers.Cropping2D(1)(x)

    def alike(self, x: Any) -> Any:
        """A convolution of some map, or another map, of the shape of ``x``."""
        same = [other for other in self.maps if other.shape == x.shape and other is not x]
        if same and self.rng.random() < 0.5:
            return self.pick(same)
        source = self.pick([other for other in self.maps if other.shape[1:3] == x.shape[1:3]])
        return keras.layers.Conv2D(x.shape[-1], 1)(source)

    def add(self, x: Any) -> Any:
        other = self.alike(x)
        layers = keras.layers
        if self.rng.random() < 0.3:
            return x * 0.5 + other
        return self.pick((layers.Add, layers.Subtract, layers.Maximum, layers.Average, layers.Multiply))()([x, other])

    def concatenate(self, x: Any) -> Any:
        parts = [x, *(other for other in self.maps if other.shape[1:3] == x.shape[1:3] and self.rng.random() < 0.3)]
        return keras.layers.Concatenate()(parts) if len(parts) > 1 else x

    def excite(self, x: Any) -> Any:
        """Squeeze and excitation (Hu et al., CVPR 2018)."""
        squeezed = keras.layers.GlobalAveragePooling2D(keepdims=True)(x)
        scale = keras.layers.Dense(x.shape[-1], activation="sigmoid")(keras.layers.Dense(2)(squeezed))
        return keras.layers.Multiply()([x, scale])

    def share(self, x: Any) -> Any:
        """One layer, or one model, called on two maps of equal shape."""
        inner = keras.Input(x.shape[1:])
        layer = keras.layers.Conv2D(self.width(), 1)
        if self.rng.random() < 0.5:
            layer = keras.Model(inner, keras.layers.BatchNormalization()(layer(inner)))
        first = layer(x)
        return keras.layers.Concatenate()([first, layer(self.alike(x))]) if self.rng.random() < 0.7 else first

    def nest(self, x: Any) -> Any:
        first = keras.layers.Conv2D(self.width(), 1, input_shape=x.shape[1:])
        return keras.Sequential([first, keras.layers.ReLU(), keras.layers.DepthwiseConv2D(1)])(x)

    def reshape(self, x: Any) -> Any:
        flat = keras.layers.Dense(2 * 2 * 3)(keras.layers.Flatten()(x))
        return keras.layers.Reshape((2, 2, 3))(flat)

    def unknown(self, x: Any) -> Any:
        """Layers that mix channels, or of which nothing is known."""
        layers = keras.layers
        return self.pick((layers.LayerNormalization(), layers.Softmax(), layers.Lambda(lambda maps: maps + 1)))(x)


STEPS: tuple[Callable[[_Builder, Any], Any], ...] = (
    *(_Builder.conv, _Builder.binary_conv, _Builder.grouped_conv, _Builder.depthwise_conv),
    *(_Builder.binary_depthwise_conv, _Builder.separable_conv, _Builder.binary_separable_conv),
    *(_Builder.normalize, _Builder.activate, _Builder.pool, _Builder.move, _Builder.add, _Builder.add),
    *(_Builder.concatenate, _Builder.excite, _Builder.share, _Builder.nest, _Builder.reshape),
)


def random_network(seed: int, steps: int = 6) -> Any:
    """A network with one or two inputs [N, 6, 6, C] and one or two outputs, and random weights, all from ``seed``.

    Its first step is number ``seed`` of :data:`STEPS`, counted around, so that as many seeds as steps try all of them.
    """
    builder = _Builder(seed)
    inputs = [keras.Input((SIDE, SIDE, 3)) for _ in range(builder.pick((1, 1, 2)))]
    builder.maps = [builder.conv(image) for image in inputs]
    for number in range(steps):
        step = _Builder.unknown if builder.rng.random() < 0.04 else builder.pick(STEPS)
        if number == 0:
            step = STEPS[seed % len(STEPS)]
        builder.maps.append(step(builder, builder.any_map()))
    outputs = [_head(builder, builder.maps[-1]) for _ in range(builder.pick((1, 1, 2)))]
    model = keras.Model(inputs, outputs, name=f"random{seed}")
    randomize(model, builder.rng)
    return model


def _head(builder: _Builder, x: Any) -> Any:
    layers = keras.layers
    x = builder.pick((layers.Flatten, layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D))()(x)
    dense = lq.layers.QuantDense(5, input_quantizer="ste_sign", kernel_quantizer="ste_sign")
    x = dense(x) if builder.rng.random() < 0.3 else layers.Dense(5, activation="relu")(x)
    return layers.Dense(3)(x)


def randomize(model: Any, rng: np.random.Generator) -> None:
    """Give every weight a random value: variances positive, scales of either sign."""
    for weight in model.weights:
        positive = "variance" in weight.name
        weight.assign(rng.uniform(0.5, 1.5, weight.shape) if positive else rng.normal(0, 0.5, weight.shape))


def random_keep(plan: Any, rng: np.random.Generator) -> dict[str, list[int]]:
    """A random part of every group that can be pruned."""
    return {
        group.name: sorted(rng.choice(group.channels, int(rng.integers(1, group.channels + 1)), replace=False).tolist())
        for group in plan.prunable
    }


def random_images(model: Any, count: int, rng: np.random.Generator) -> list[Any]:
    """One array for each input of ``model``."""
    return [rng.normal(size=(count, *tensor.shape[1:])) for tensor in model.inputs]
