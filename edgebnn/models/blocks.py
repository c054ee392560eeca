"""Layers by precision: the one place that says what a precision means; a new one is one entry of ``PRECISIONS``.

The first and the last layer of a network stay float in every precision (int8 once converted), as is usual for binarized
networks (Rastegari et al., XNOR-Net, ECCV 2016, section 4); a :class:`Precision` builds what lies between them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from edgebnn._tensorflow import keras, lq, tf
from edgebnn.errors import InputError

Tensor: TypeAlias = tf.Tensor
ConvLayer: TypeAlias = Callable[..., keras.layers.Layer]

# Binarized networks move their batch-norm statistics fast: with Keras' default of 0.99 the moving averages lag so far
# behind that a W1A1 network validates at 26 to 43 % on MNIST after two epochs instead of 98 %.
BATCH_NORM_MOMENTUM = 0.9


@dataclass(frozen=True)
class Precision:
    """How the layers between the first and the last are built.

    Attributes:
        name: the word users write, such as ``"w1a1"``.
        conv: ``conv(filters, kernel_size, strides=, padding=, use_bias=, name=)``, a layer NHWC -> NHWC.
        dense: ``dense(x, units, use_bias=, name=)``, a fully connected layer applied to a feature map or to its result.
        relu: whether a ReLU follows; not before a sign(), which would see no negative value.
        shortcut_span: how many convolutions one residual shortcut goes around: two (He et al., CVPR 2016), or one for
            binary activations, whose real-valued sums are lost otherwise (Liu et al., Bi-Real Net, ECCV 2018).
        batch_norm: whether every layer needs batch normalisation to train: sums of signs are as large as their fan-in.
        width_factor: default widths relative to the float network's, so that channels fill packed words of 32.
    """

    name: str
    conv: ConvLayer
    dense: Callable[..., Tensor]
    relu: bool
    shortcut_span: int
    batch_norm: bool
    width_factor: int


# Keeps the variance through ReLUs (He et al., ICCV 2015), which AlexNet needs, having no batch norm: a quarter as wide,
# it had come to 12 % on CIFAR-10 after 93 steps with Keras' default, and to 19 % with this.
RELU_INITIALIZER = "he_normal"


def _float_conv(filters: int, kernel_size: int | tuple[int, int], **options: object) -> keras.layers.Layer:
    return keras.layers.Conv2D(filters, kernel_size, kernel_initializer=RELU_INITIALIZER, **options)


def _float_dense(x: Tensor, units: int, *, use_bias: bool, name: str) -> Tensor:
    if len(x.shape) > 2:
        x = keras.layers.Flatten(name=f"{name}_flatten")(x)
    return keras.layers.Dense(units, use_bias=use_bias, kernel_initializer=RELU_INITIALIZER, name=name)(x)


WEIGHTS_OF_ONE_BIT: Mapping[str, str] = MappingProxyType(
    {"kernel_quantizer": "magnitude_aware_sign", "kernel_constraint": "weight_clip"}
)
"""Signs times the channel's mean absolute weight (Rastegari et al., XNOR-Net, ECCV 2016, section 3.1), so that a float
network's weights keep their size; an int8 file holds them as two values a channel."""


def _w1a8_conv(filters: int, kernel_size: int | tuple[int, int], **options: object) -> keras.layers.Layer:
    return lq.layers.QuantConv2D(
        filters, kernel_size, kernel_initializer=RELU_INITIALIZER, **WEIGHTS_OF_ONE_BIT, **options
    )


def _w1a8_dense(x: Tensor, units: int, *, use_bias: bool, name: str) -> Tensor:
    if len(x.shape) > 2:
        x = keras.layers.Flatten(name=f"{name}_flatten")(x)
    return lq.layers.QuantDense(
        units, use_bias=use_bias, kernel_initializer=RELU_INITIALIZER, name=name, **WEIGHTS_OF_ONE_BIT
    )(x)


def _binary_conv(filters: int, kernel_size: int | tuple[int, int], **options: object) -> keras.layers.Layer:
    """Signs times signs. Pads with +1: zero is no sign, and LCE pays for it with a float correction at the border."""
    return lq.layers.QuantConv2D(
        filters,
        kernel_size,
        input_quantizer="approx_sign",
        kernel_quantizer="ste_sign",
        kernel_constraint="weight_clip",
        kernel_initializer="glorot_normal",
        pad_values=1.0,
        **options,
    )


def _binary_dense(x: Tensor, units: int, *, use_bias: bool, name: str) -> Tensor:
    """A fully connected layer as the convolution it equals, [N, H, W, C] -> [N, 1, 1, units] (LCE: no binary Dense)."""
    return _binary_conv(units, (x.shape[1], x.shape[2]), padding="valid", use_bias=use_bias, name=name)(x)


PRECISIONS: Mapping[str, Precision] = MappingProxyType(
    {
        precision.name: precision
        for precision in (
            Precision(
                "float",
                conv=_float_conv,
                dense=_float_dense,
                relu=True,
                shortcut_span=2,
                batch_norm=False,
                width_factor=1,
            ),
            Precision(
                "w1a8",
                conv=_w1a8_conv,
                dense=_w1a8_dense,
                relu=True,
                shortcut_span=2,
                batch_norm=False,
                width_factor=1,
            ),
            Precision(
                "w1a1",
                conv=_binary_conv,
                dense=_binary_dense,
                relu=False,
                shortcut_span=1,
                batch_norm=True,
                width_factor=2,
            ),
        )
    }
)


def precision_named(name: str) -> Precision:
    """The entry of ``PRECISIONS``; raises :class:`InputError` for an unknown name."""
    if name not in PRECISIONS:
        raise InputError(f"unknown precision {name!r}: choose one of {', '.join(PRECISIONS)}")
    return PRECISIONS[name]


def batch_norm(x: Tensor, name: str) -> Tensor:
    return keras.layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=name)(x)


def relu(x: Tensor, name: str) -> Tensor:
    return keras.layers.ReLU(name=name)(x)
