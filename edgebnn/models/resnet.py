"""Residual networks whose widths are parameters: a pruned network is the same builder with other widths.

ResNet-8 is MLPerf Tiny's (stem, three stages of one block, dense), ResNet-20 the CIFAR network of He et al. (CVPR
2016, section 4.2), both with projection shortcuts where the shape changes; ResNet-18 is the ImageNet network (table 1
there). With binary activations every convolution has a shortcut of its own and no ReLU follows (Liu et al., Bi-Real
Net, ECCV 2018).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from edgebnn._tensorflow import keras
from edgebnn.errors import InputError
from edgebnn.models.blocks import Precision, Tensor, batch_norm, precision_named, relu


@dataclass(frozen=True)
class _Depth:
    """Blocks of two 3x3 convolutions in each stage, the float network's stage widths, and the usual input."""

    blocks: tuple[int, ...]
    widths: tuple[int, ...]
    input_shape: tuple[int, int, int]


DEPTHS: Mapping[int, _Depth] = MappingProxyType(
    {
        8: _Depth((1, 1, 1), (16, 32, 64), (32, 32, 3)),
        18: _Depth((2, 2, 2, 2), (64, 128, 256, 512), (224, 224, 3)),
        20: _Depth((3, 3, 3), (16, 32, 64), (32, 32, 3)),
    }
)


def resnet(
    depth: int = 20,
    widths: Sequence[int] | None = None,
    classes: int = 10,
    precision: str = "float",
    input_shape: tuple[int, int, int] | None = None,
    *,
    inner_widths: Sequence[Sequence[int]] | None = None,
) -> keras.Model:
    """A ResNet, [N, *input_shape] -> [N, classes] logits.

    Channels that meet in one addition must stay equal, which leaves two kinds of widths: a stage's own (its additions,
    so the last convolution of each block and the projection; the stem has the first stage's), and those inside blocks.

    Args:
        depth: 8, 18 or 20.
        widths: channels of each stage. Default: the float network's, doubled for ``"w1a1"`` at depths 8 and 20 so that
            every layer's channels fill packed words of 32.
        classes: how many it tells.
        precision: see :data:`edgebnn.models.blocks.PRECISIONS`.
        input_shape: (height, width, channels). Default (32, 32, 3), or (224, 224, 3) for depth 18.
        inner_widths: for each stage, the channels of each block's first convolution. Default: the stage's width, which
            is also all that ``"w1a1"`` allows: there the first convolution has a shortcut too.

    Returns:
        The Keras model, untrained.

    Raises:
        InputError: for a depth, precision, width or input shape that cannot be built.
    """
    if depth not in DEPTHS:
        raise InputError(f"there is no ResNet-{depth} here: choose a depth of {', '.join(map(str, DEPTHS))}")
    plan, chosen = DEPTHS[depth], precision_named(precision)
    shape = plan.input_shape if input_shape is None else input_shape
    stages = _default_widths(plan, chosen) if widths is None else tuple(widths)
    inner = _inner_widths(plan, stages, inner_widths)
    if chosen.shortcut_span == 1 and any(set(row) != {stage} for row, stage in zip(inner, stages, strict=True)):
        raise InputError(f"with precision {precision!r} every convolution has a shortcut: inner widths are the stage's")

    images = keras.Input(shape, name="image")
    x = _stem(images, stages[0], chosen, large=depth == 18)
    for index, (width, row) in enumerate(zip(stages, inner, strict=True)):
        for block, inside in enumerate(row):
            stride = 2 if index > 0 and block == 0 else 1
            x = _block(x, (inside, width), stride, chosen, f"stage{index + 1}_block{block + 1}")
    if not chosen.relu:
        x = relu(x, "head_relu")
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(images, keras.layers.Dense(classes, name="logits")(x), name=f"resnet{depth}_{precision}")


def _default_widths(plan: _Depth, precision: Precision) -> tuple[int, ...]:
    """The stage widths of the float network, or their multiple that fills whole words of 32 binary channels."""
    factor = precision.width_factor if min(plan.widths) < 32 else 1
    return tuple(width * factor for width in plan.widths)


def _inner_widths(
    plan: _Depth, stages: tuple[int, ...], inner_widths: Sequence[Sequence[int]] | None
) -> tuple[tuple[int, ...], ...]:
    if len(stages) != len(plan.blocks):
        raise InputError(f"widths {stages} has {len(stages)} entries, but this ResNet has {len(plan.blocks)} stages")
    if inner_widths is None:
        inner = tuple((width,) * blocks for width, blocks in zip(stages, plan.blocks, strict=True))
    else:
        inner = tuple(tuple(row) for row in inner_widths)
    if tuple(len(row) for row in inner) != plan.blocks:
        raise InputError(f"inner_widths {inner} must hold one width per block: {plan.blocks} blocks in the stages")
    if min(min(stages), *(min(row) for row in inner)) < 1:
        raise InputError(f"widths {stages}, {inner} must all be at least 1")
    return inner


def _stem(images: Tensor, width: int, precision: Precision, large: bool) -> Tensor:
    """The float first layer: 7x7/2 and pooling for large images; 3x3, with stride 2 for grey ones.

    Small grey images (MNIST) hold so little detail that halving them costs no accuracy, and saves most of the time.
    """
    kernel, stride = (7, 2) if large else (3, 2 if images.shape[-1] == 1 else 1)
    x = keras.layers.Conv2D(width, kernel, strides=stride, padding="same", use_bias=False, name="stem_conv")(images)
    x = batch_norm(x, "stem_bn")
    if precision.relu:
        x = relu(x, "stem_relu")
    return keras.layers.MaxPool2D(3, 2, padding="same", name="stem_pool")(x) if large else x


def _block(x: Tensor, widths: tuple[int, int], stride: int, precision: Precision, name: str) -> Tensor:
    """Two 3x3 convolutions, [N, H, W, C] -> [N, H / stride, W / stride, widths[1]], under one shortcut or two."""
    shortcut = x
    for index, (width, step) in enumerate(zip(widths, (stride, 1), strict=True), start=1):
        conv = precision.conv(width, 3, strides=step, padding="same", use_bias=False, name=f"{name}_conv{index}")
        x = batch_norm(conv(x), f"{name}_bn{index}")
        if index % precision.shortcut_span == 0:
            covered = stride if precision.shortcut_span == 2 else step
            shortcut = _projection(shortcut, width, covered, precision, f"{name}_shortcut{index}")
            x = keras.layers.Add(name=f"{name}_add{index}")([x, shortcut])
        if precision.relu:
            x = relu(x, f"{name}_relu{index}")
        if index % precision.shortcut_span == 0:
            shortcut = x
    return x


def _projection(x: Tensor, width: int, stride: int, precision: Precision, name: str) -> Tensor:
    """The shortcut itself where the shape stays, else a float 1x1 convolution, strided or after averaging (Bi-Real)."""
    if stride == 1 and x.shape[-1] == width:
        return x
    if stride > 1 and precision.shortcut_span == 1:
        x = keras.layers.AveragePooling2D(stride, stride, padding="same", name=f"{name}_pool")(x)
        stride = 1
    x = keras.layers.Conv2D(width, 1, strides=stride, padding="same", use_bias=False, name=f"{name}_conv")(x)
    return batch_norm(x, f"{name}_bn")
