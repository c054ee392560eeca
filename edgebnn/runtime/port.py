"""The inputs and outputs of a loaded model: what they take and give, and the way between real and quantized values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgebnn.arithmetic.quantization import dequantize, quantize
from edgebnn.errors import InputError
from edgebnn.graph.types import Array, Graph, Shape


@dataclass(frozen=True)
class Port:
    """One input or output. ``shape`` is the file's; ``signature`` has -1 where the file leaves a dimension open.
    ``scale`` is None where values are not quantized."""

    name: str
    index: int
    shape: Shape
    signature: Shape
    dtype: np.dtype[Any]
    scale: float | None
    zero_point: int

    @property
    def expected(self) -> str:
        """What the port takes, in words."""
        dimensions = ", ".join(["batch", *("any" if d < 0 else str(d) for d in self._open_shape()[1:])])
        kinds = ["float32", "uint8"]
        if str(self.dtype) not in kinds:
            kinds = [*kinds, str(self.dtype)] if self.scale is not None else [str(self.dtype)]
        return f"an array of {' or '.join(kinds)} and shape ({dimensions})"

    def _open_shape(self) -> Shape:
        """The file's shape, -1 where any size is taken."""
        if len(self.signature) != len(self.shape):
            return self.shape
        return tuple(-1 if signed < 0 else size for size, signed in zip(self.shape, self.signature, strict=True))

    def fits(self, value: Array) -> bool:
        """Whether the value has exactly the file's shape."""
        return value.shape == self.shape

    def quantized(self, value: Array, model: str) -> Array:
        """The value as the model takes it: checked, and quantized if the model is.

        Raises:
            InputError: its shape, dtype or values are wrong.
        """
        array = np.asarray(value)
        self._check_shape(array, model)
        if array.dtype == self.dtype and not np.issubdtype(self.dtype, np.floating):
            return np.ascontiguousarray(array)
        if not (np.issubdtype(array.dtype, np.floating) or array.dtype == np.uint8):
            raise self._error(model, f"got {array.dtype}")
        real = array.astype(np.float32)
        if not np.isfinite(real).all():
            raise self._error(model, "got NaN or infinite values")
        if self.scale is not None:
            return np.ascontiguousarray(quantize(real, self.scale, self.zero_point, self.dtype))
        if not np.issubdtype(self.dtype, np.floating):
            raise self._error(model, f"got {array.dtype}")
        return np.ascontiguousarray(real.astype(self.dtype))

    def dequantized(self, value: Array) -> Array:
        return value if self.scale is None else dequantize(value, self.scale, self.zero_point)

    def _check_shape(self, array: Array, model: str) -> None:
        expected = self._open_shape()
        right = array.ndim == len(expected) and all(
            want in (-1, have) for have, want in zip(array.shape[1:], expected[1:], strict=True)
        )
        if not right:
            hint = " (one sample needs a batch dimension of 1 in front)" if array.ndim + 1 == len(expected) else ""
            raise self._error(model, f"got shape {array.shape}{hint}")
        if array.size == 0:
            raise self._error(model, "got no samples")

    def _error(self, model: str, got: str) -> InputError:
        return InputError(f"{model}: input '{self.name}' expects {self.expected}, {got}")


def ports(details: Sequence[dict[str, Any]]) -> tuple[Port, ...]:
    """From LiteRT's ``get_input_details`` or ``get_output_details``."""
    return tuple(_port(detail) for detail in details)


def graph_inputs(graph: Graph) -> tuple[Port, ...]:
    """The inputs of a graph, as LiteRT would describe them."""
    return tuple(_graph_port(graph, index) for index in graph.inputs)


def graph_outputs(graph: Graph) -> tuple[Port, ...]:
    """The outputs of a graph, as LiteRT would describe them."""
    return tuple(_graph_port(graph, index) for index in graph.outputs)


def _graph_port(graph: Graph, index: int) -> Port:
    tensor, quantization = graph.tensors[index], graph.tensors[index].quantization
    quantized = quantization is not None and quantization.per_tensor and tensor.dtype.numpy.kind in "iu"
    return Port(
        name=tensor.name,
        index=index,
        shape=tensor.shape,
        signature=tensor.shape if tensor.shape_signature is None else tensor.shape_signature,
        dtype=tensor.dtype.numpy,
        scale=quantization.scale[0] if quantization is not None and quantized else None,
        zero_point=quantization.zero_point[0] if quantization is not None and quantized else 0,
    )


def _port(detail: dict[str, Any]) -> Port:
    parameters = detail["quantization_parameters"]
    quantized = len(parameters["scales"]) == 1 and np.issubdtype(detail["dtype"], np.integer)
    return Port(
        name=detail["name"],
        index=int(detail["index"]),
        shape=tuple(int(d) for d in detail["shape"]),
        signature=tuple(int(d) for d in detail.get("shape_signature", detail["shape"])),
        dtype=np.dtype(detail["dtype"]),
        scale=float(parameters["scales"][0]) if quantized else None,
        zero_point=int(parameters["zero_points"][0]) if quantized else 0,
    )
