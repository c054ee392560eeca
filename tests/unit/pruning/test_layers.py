"""Layers by shape: the counts that costs are made of."""

from __future__ import annotations

from dataclasses import replace

from edgebnn.pruning.channels.layers import LayerShape

CONV = LayerShape(
    name="conv",
    kind="conv2d",
    precision="float",
    in_channels=8,
    out_channels=6,
    kernel=(3, 5),
    strides=(2, 2),
    dilation=(1, 1),
    padding="same",
    pad_values=0.0,
    groups=1,
    input_size=(10, 12),
    output_size=(5, 6),
)


def test_convolution_counts_every_kernel_element_at_every_output_position() -> None:
    assert CONV.weights == 3 * 5 * 8 * 6
    assert CONV.macs == 5 * 6 * CONV.weights


def test_groups_divide_the_inputs_of_each_filter() -> None:
    assert replace(CONV, groups=2).weights == 3 * 5 * 4 * 6
    depthwise = replace(CONV, kind="depthwise_conv2d", groups=8, out_channels=16)
    assert depthwise.weights == 3 * 5 * 16


def test_dense_layer_multiplies_once_per_weight() -> None:
    dense = replace(CONV, kind="dense", kernel=(1, 1), strides=(1, 1), input_size=(1, 1), output_size=(1, 1))
    assert dense.macs == dense.weights == 48


def test_shapes_are_keys() -> None:
    assert len({CONV, replace(CONV), replace(CONV, out_channels=5)}) == 2
