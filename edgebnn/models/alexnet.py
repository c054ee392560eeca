"""AlexNet for 224x224 images in the widths and arithmetic that NetAdapt's figures are stated for.

Kernels, strides and paddings are torchvision's (Krizhevsky, "One weird trick for parallelizing convolutional neural
networks", 2014): 710,133,440 multiply-accumulates and 57,035,456 weights without biases for ten classes.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgebnn._tensorflow import keras
from edgebnn.errors import InputError
from edgebnn.models.blocks import RELU_INITIALIZER, Tensor, batch_norm, precision_named, relu

WIDTHS = (64, 192, 384, 256, 256, 4096, 4096)
SMALLEST_INPUT = 63  # the three 3/2 poolings leave nothing of a smaller image


def alexnet(
    widths: Sequence[int] = WIDTHS,
    classes: int = 10,
    precision: str = "float",
    input_shape: tuple[int, int, int] = (224, 224, 3),
    *,
    dropout: float = 0.5,
) -> keras.Model:
    """AlexNet, [N, *input_shape] -> [N, classes] logits.

    In ``"float"`` every layer has a bias, and dropout guards the fully connected ones. In ``"w1a1"`` conv1 and the last
    layer stay float, batch normalisation follows every layer, dropout is left out, and fc6 and fc7 are the convolutions
    they equal (over the whole feature map, then 1x1), because LCE has no binary Dense: their 37.7 and 16.8 million
    weights are what binarization saves most on. Pooling comes after batch normalisation there: the LCE converter then
    pools packed bits and fuses batch normalisation into the convolution, where the other order leaves both in float.

    Args:
        widths: channels of conv1 to conv5 and units of fc6 and fc7.
        classes: how many it tells.
        precision: see :data:`edgebnn.models.blocks.PRECISIONS`.
        input_shape: (height, width, channels), height and width at least 63.
        dropout: rate before fc6 and fc7 in ``"float"``.

    Returns:
        The Keras model, untrained.

    Raises:
        InputError: for widths, a precision or an input shape that cannot be built.
    """
    if len(widths) != len(WIDTHS) or min(widths) < 1:
        raise InputError(f"AlexNet has {len(WIDTHS)} widths (conv1 to conv5, fc6, fc7), 1 or more, not {tuple(widths)}")
    if min(input_shape[:2]) < SMALLEST_INPUT:
        raise InputError(f"AlexNet needs images of at least {SMALLEST_INPUT}x{SMALLEST_INPUT}, not {input_shape}")
    chosen = precision_named(precision)
    bias = not chosen.batch_norm

    def finish(x: Tensor, name: str, pool: bool = False) -> Tensor:
        if chosen.batch_norm:
            x = batch_norm(x, f"{name}_bn")
        if chosen.relu:
            x = relu(x, f"{name}_relu")
        return keras.layers.MaxPool2D(3, 2, name=f"{name}_pool")(x) if pool else x

    images = keras.Input(input_shape, name="image")
    x = keras.layers.ZeroPadding2D(2, name="conv1_pad")(images)
    x = keras.layers.Conv2D(widths[0], 11, strides=4, use_bias=bias, kernel_initializer=RELU_INITIALIZER, name="conv1")(
        x
    )
    x = finish(x, "conv1", pool=True)
    for index, kernel in ((2, 5), (3, 3), (4, 3), (5, 3)):
        conv = chosen.conv(widths[index - 1], kernel, strides=1, padding="same", use_bias=bias, name=f"conv{index}")
        x = finish(conv(x), f"conv{index}", pool=index in (2, 5))
    for index in (6, 7):
        if not chosen.batch_norm:
            x = keras.layers.Dropout(dropout, name=f"fc{index}_dropout")(x)
        x = finish(chosen.dense(x, widths[index - 1], use_bias=bias, name=f"fc{index}"), f"fc{index}")
    if len(x.shape) > 2:
        x = keras.layers.Flatten(name="fc8_flatten")(x)
    return keras.Model(images, keras.layers.Dense(classes, name="logits")(x), name=f"alexnet_{precision}")
