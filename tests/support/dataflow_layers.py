"""Networks for the dataflow model: a convolution after the other by shape alone, and the published AlexNet figures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgebnn.dataflow.workload import Workload, workload
from edgebnn.graph.opdef import Loops, Macs
from edgebnn.graph.ops.conv import Conv2DOptions
from edgebnn.graph.ops.enums import Padding
from edgebnn.graph.types import DType, Graph, Op, Quantization, Tensor


@dataclass(frozen=True)
class Conv:
    """A square convolution; channels are those of all groups together."""

    name: str
    size: int
    channels_in: int
    channels_out: int
    kernel: int
    stride: int = 1
    same: bool = True
    groups: int = 1

    @property
    def output(self) -> int:
        return -(-self.size // self.stride) if self.same else (self.size - self.kernel) // self.stride + 1


ALEXNET = (
    Conv("conv1", 227, 3, 96, 11, 4, same=False),
    Conv("conv2", 27, 96, 256, 5, groups=2),
    Conv("conv3", 13, 256, 384, 3),
    Conv("conv4", 13, 384, 384, 3, groups=2),
    Conv("conv5", 13, 384, 256, 3, groups=2),
)
"""The convolutions of the original network."""

FULLY_CONNECTED = (
    Conv("fc6", 6, 256, 4096, 6, same=False),
    Conv("fc7", 1, 4096, 4096, 1),
    Conv("fc8", 1, 4096, 1000, 1),
)
"""Its dense layers, the first as a convolution over the whole input."""

VGG16 = (
    Conv("conv1-1", 224, 3, 64, 3),
    Conv("conv1-2", 224, 64, 64, 3),
    Conv("conv2-1", 112, 64, 128, 3),
    Conv("conv2-2", 112, 128, 128, 3),
    Conv("conv3-1", 56, 128, 256, 3),
    Conv("conv3-2", 56, 256, 256, 3),
    Conv("conv3-3", 56, 256, 256, 3),
    Conv("conv4-1", 28, 256, 512, 3),
    Conv("conv4-2", 28, 512, 512, 3),
    Conv("conv4-3", 28, 512, 512, 3),
    Conv("conv5-1", 14, 512, 512, 3),
    Conv("conv5-2", 14, 512, 512, 3),
    Conv("conv5-3", 14, 512, 512, 3),
)

RESNET18 = (
    Conv("conv1", 224, 3, 64, 7, 2),
    *(Conv(f"stage1_{i}", 56, 64, 64, 3) for i in range(4)),
    Conv("stage2_0", 56, 64, 128, 3, 2),
    Conv("stage2_shortcut", 56, 64, 128, 1, 2),
    *(Conv(f"stage2_{i}", 28, 128, 128, 3) for i in range(1, 4)),
    Conv("stage3_0", 28, 128, 256, 3, 2),
    Conv("stage3_shortcut", 28, 128, 256, 1, 2),
    *(Conv(f"stage3_{i}", 14, 256, 256, 3) for i in range(1, 4)),
    Conv("stage4_0", 14, 256, 512, 3, 2),
    Conv("stage4_shortcut", 14, 256, 512, 1, 2),
    *(Conv(f"stage4_{i}", 7, 512, 512, 3) for i in range(1, 4)),
    Conv("dense", 1, 512, 1000, 1),
)


def layer_of(conv: Conv, batch: int = 1) -> Workload:
    """The layer in int8."""
    depth = conv.channels_in // conv.groups
    macs = batch * conv.channels_out * depth * conv.output**2 * conv.kernel**2
    before = max((conv.output - 1) * conv.stride + conv.kernel - conv.size, 0) // 2 if conv.same else 0
    loops = Loops(
        groups=conv.groups,
        batch=batch,
        out_channels=conv.channels_out // conv.groups,
        in_channels=depth,
        macs=Macs(int8=macs),
        out_size=(conv.output, conv.output),
        filter_size=(conv.kernel, conv.kernel),
        in_size=(conv.size, conv.size),
        before=(before, before),
        stride=(conv.stride, conv.stride),
    )
    return workload(loops, conv.name, 8)


def graph_of(convs: tuple[Conv, ...]) -> Graph:
    """A model whose layers stand beside each other, each with an input and an output of its own, in int8."""
    tensors: list[Tensor] = []
    ops, inputs, outputs = [], [], []
    for conv in convs:
        start = len(tensors)
        depth = conv.channels_in // conv.groups
        shape = (conv.channels_out, conv.kernel, conv.kernel, depth)
        scales = Quantization((0.01,) * conv.channels_out, (0,) * conv.channels_out)
        tensors += [
            Tensor(
                f"{conv.name}_in", (1, conv.size, conv.size, conv.channels_in), DType.INT8, Quantization((0.1,), (0,))
            ),
            Tensor(f"{conv.name}_filter", shape, DType.INT8, scales, np.ones(shape, np.int8)),
            Tensor(conv.name, (1, conv.output, conv.output, conv.channels_out), DType.INT8, Quantization((0.1,), (0,))),
        ]
        options = Conv2DOptions(
            padding=Padding.SAME if conv.same else Padding.VALID, stride_w=conv.stride, stride_h=conv.stride
        )
        ops.append(Op("CONV_2D", (start, start + 1), (start + 2,), options))
        inputs.append(start)
        outputs.append(start + 2)
    return Graph("layers", tuple(tensors), tuple(ops), tuple(inputs), tuple(outputs))
