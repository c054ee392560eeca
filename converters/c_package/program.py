"""What is generated, as data: one step for each op that computes, with its constants and what memory it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Union

from edgebnn.graph.opdef import OpView
from edgebnn.graph.ops.windows import Window
from edgebnn.graph.types import Array

Value = Union[int, float, Array, "Struct", "Zeroed", None]
"""A field of a layer: a number, a constant array (a pointer to it), a struct inside, a pointer to memory that starts as
zeros, or a null pointer."""


@dataclass(frozen=True)
class Zeroed:
    """An object of the C type ``type`` in RAM, all zero at first: what a layer keeps between calls."""

    type: str


@dataclass(frozen=True)
class Struct:
    """A C struct to be initialised: ``type`` is its typedef, ``fields`` by name."""

    type: str
    fields: Mapping[str, Value]


@dataclass(frozen=True)
class Step:
    """The call of a kernel: ``function(&layer, inputs..., outputs..., scratch)``.

    header:        the kernel's header below ``edgebnn/kernels``, such as ``core/conv_w1a8.h``.
    sources:       the C files below ``edgebnn/kernels`` that it needs.
    inputs:        positions among the op's inputs whose tensors are passed; those that are constant are passed too.
    scratch_bytes: of memory for the call's own use, at a multiple of 16 bytes; 0: it takes no such argument.
    leads:         by position among the op's inputs: the (first) output may be written over that input, if this is its
                   last use and the output starts at least so many bytes before it (0: in place).
    prepare:       a C function of the layer that is called once before the first inference and returns 0; "": none.
    arrays:        inputs and outputs are passed as two arrays of pointers, as there may be any number of them.
    """

    function: str
    header: str
    sources: tuple[str, ...]
    layer: Struct
    inputs: tuple[int, ...]
    scratch_bytes: int = 0
    leads: Mapping[int, int] = field(default_factory=dict)
    prepare: str = ""
    arrays: bool = False


@dataclass(frozen=True)
class Alias:
    """An op that computes nothing: its only output is the input at position ``input``, under another shape."""

    input: int = 0


Lowered = Step | Alias


def geometry(window: Window, batches: int, size: Sequence[int]) -> Struct:
    """A window over images of ``size`` (height, width) as an ``eb_geometry``."""
    return Struct(
        "eb_geometry",
        {
            "batches": batches,
            "input_height": size[0],
            "input_width": size[1],
            "filter_height": window.filter[0],
            "filter_width": window.filter[1],
            "stride_height": window.stride[0],
            "stride_width": window.stride[1],
            "dilation_height": window.dilation[0],
            "dilation_width": window.dilation[1],
            "pad_top": window.before[0],
            "pad_left": window.before[1],
            "output_height": window.output[0],
            "output_width": window.output[1],
        },
    )


@dataclass(frozen=True)
class NamedStep:
    """A step with the op it was made from. ``tensors``: those passed, in order, inputs first, then outputs."""

    op: int
    view: OpView
    step: Step
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
