"""A hand-made graph in which layers of all kinds stand side by side: int8, W1A1 and W1A8, with uint8 at its ends."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgebnn.arithmetic.packing import pack
from edgebnn.graph.ops.binary import LceBconv2dOptions, LceQuantizeOptions
from edgebnn.graph.ops.conv import Conv2DOptions, DepthwiseConv2DOptions
from edgebnn.graph.ops.dense import FullyConnectedOptions
from edgebnn.graph.ops.elementwise import AddOptions
from edgebnn.graph.ops.enums import Activation, Padding
from edgebnn.graph.ops.view import NoOptions
from edgebnn.graph.types import DType, Graph, Quantization, Tensor

from .graphs import Step, chain, constant, per_channel, per_tensor, tensor

CHANNELS, SIDE = 40, 9


def signs(rng: np.random.Generator, shape: tuple[int, ...], value: int = 127) -> NDArray[np.int8]:
    return rng.choice(np.array([-value, value], np.int8), shape)


class Layers:
    """Adds steps one after another, with scales and zero points drawn for every tensor."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.steps: list[Step] = []

    def quantization(self, scale: float) -> Quantization:
        return per_tensor(scale * self.rng.uniform(0.7, 1.4), int(self.rng.choice([-128, 127, 0, -100, -7, 11, 90])))

    def convolution(self, name: str, x: Tensor, weights: NDArray[np.int8], dilation: int = 1) -> Tensor:
        """CONV_2D or, for weights [1, ...], DEPTHWISE_CONV_2D, of scale about 1."""
        depthwise = weights.shape[0] == 1
        outputs, terms = weights.shape[3 if depthwise else 0], weights[..., 0].size if depthwise else weights[0].size
        scales = self.rng.uniform(0.5, 1.5, outputs) / 127 / terms**0.5
        w = constant(f"{name}/w", weights, per_channel(scales.tolist(), 3 if depthwise else 0))
        b = constant(f"{name}/b", self.rng.integers(-2000, 2000, outputs).astype(np.int32))
        y = tensor(name, (), DType.INT8, self.quantization(0.03))
        relu = Activation.RELU if self.rng.random() < 0.5 else Activation.NONE
        if depthwise:
            depthwise_options = DepthwiseConv2DOptions(Padding.SAME, 1, 1, 1, relu, dilation, dilation)
            self.steps.append(("DEPTHWISE_CONV_2D", depthwise_options, (x, w, b), (y,), 1))
        else:
            self.steps.append(
                ("CONV_2D", Conv2DOptions(Padding.SAME, 1, 1, relu, dilation, dilation), (x, w, b), (y,), 1)
            )
        return y

    def binary(self, name: str, x: Tensor) -> Tensor:
        """LceQuantize of int8 values and an LceBconv2d with int8 output."""
        bits = tensor(f"{name}/bits", (), DType.INT32)
        shape = (CHANNELS, 3, 3, CHANNELS)
        y = tensor(name, (), DType.INT8, self.quantization(0.03))
        scale = np.float32(1 / 0.03 / (9 * CHANNELS) ** 0.5)
        w = constant(f"{name}/w", pack(self.rng.random(shape) < 0.5))
        multiplier = constant(f"{name}/m", (scale * self.rng.uniform(0.3, 1.0, CHANNELS)).astype(np.float32))
        bias = constant(f"{name}/b", self.rng.normal(0, 5, CHANNELS).astype(np.float32))
        options = LceBconv2dOptions(channels_in=CHANNELS, pad_values=1)
        self.steps.append(("LceQuantize", LceQuantizeOptions(), (x,), (bits,), 1))
        self.steps.append(("LceBconv2d", options, (bits, w, multiplier, bias, None), (y,), 1))
        return y

    def add(self, name: str, a: Tensor, b: Tensor) -> Tensor:
        y = tensor(name, (), DType.INT8, self.quantization(0.05))
        self.steps.append(("ADD", AddOptions(Activation.NONE), (a, b), (y,), 1))
        return y

    def dense(self, name: str, x: Tensor, weights: NDArray[np.int8]) -> Tensor:
        w = constant(f"{name}/w", weights, per_tensor(1 / 127 / weights.shape[1] ** 0.5, 0))
        y = tensor(name, (), DType.INT8, self.quantization(0.008))
        self.steps.append(("FULLY_CONNECTED", FullyConnectedOptions(), (x, w, None), (y,), 1))
        return y

    def quantize(self, x: Tensor, y: Tensor) -> Tensor:
        self.steps.append(("QUANTIZE", NoOptions(), (x,), (y,), 1))
        return y


def mixed(seed: int, uint8: bool) -> Graph:
    """int8 stem; W1A1; W1A8, plain, dilated and depthwise; shortcuts of other scales; dense W1A8; int8 head.

    With ``uint8`` input and output are uint8, as full integer converters write them.
    """
    layers = Layers(seed)
    rng = layers.rng
    x = tensor("image", (2, SIDE, SIDE, 3), DType.INT8, layers.quantization(0.02))
    if uint8:
        image = tensor("pixels", x.shape, DType.UINT8, per_tensor(0.017, int(rng.integers(0, 256))))
        x = layers.quantize(image, x)
    stem = layers.convolution("stem", x, rng.integers(-127, 128, (CHANNELS, 3, 3, 3)).astype(np.int8))
    y = layers.add("sum1", layers.binary("w1a1", stem), stem)
    plain = layers.convolution("w1a8", y, signs(rng, (CHANNELS, 3, 3, CHANNELS)))
    y = layers.add("sum2", plain, y)
    y = layers.convolution("depthwise", y, signs(rng, (1, 3, 3, CHANNELS), 64))
    y = layers.convolution("many-valued", y, rng.integers(-127, 128, (1, 3, 3, CHANNELS)).astype(np.int8))
    y = layers.add("sum3", layers.convolution("dilated", y, signs(rng, (CHANNELS, 3, 3, CHANNELS), 1), 2), y)
    y = layers.add("sum4", layers.binary("w1a1 again", y), y)
    y = layers.dense("dense", y, signs(rng, (33, SIDE * SIDE * CHANNELS)))
    y = layers.dense("scores", y, rng.integers(-127, 128, (10, 33)).astype(np.int8))
    if uint8:
        layers.quantize(y, tensor("classes", (), DType.UINT8, per_tensor(0.04, 128)))
    return chain(layers.steps)
