"""The inputs and outputs of a loaded model: what they take and give, and the way between real and quantized values."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgebnn.arithmetic.quantization import dequantize, quantize
from edgebnn.errors import InputError, InputWarning
from edgebnn.graph.metadata import ImageFormat
from edgebnn.graph.samples import Form, with_samples
from edgebnn.graph.types import Array, Graph

FEW = 0.05
"""Of an input's values lie beyond its range where they are on the right scale."""
FAR = 4.0
"""Times its range: no value on the right scale lies so far out."""
FULL = 0.9
"""Of the range from 0 to 1 is what images on that scale fill, from near 0 on."""


@dataclass(frozen=True)
class Port(Form):
    """One input or output.

    ``index``: of its tensor. ``scale`` is None where values are not quantized. ``limits``: the least and the largest
    real number that an input can tell from those beyond, None where there is no such limit. ``pixels``: what the least
    and the greatest value of a pixel are for it, None where the model does not say it is an image of such a range.
    """

    index: int
    dtype: np.dtype[Any]
    scale: float | None
    zero_point: int
    limits: tuple[float, float] | None
    pixels: tuple[float, float] | None = None

    @property
    def is_text(self) -> bool:
        """Whether values are strings: bytes in an array of objects."""
        return self.dtype.kind == "S"

    @property
    def expected(self) -> str:
        """What the port takes, in words."""
        if self.is_text:
            return f"an array of strings, str or bytes, and shape {self.takes}"
        kinds = ["float32", "uint8"]
        if str(self.dtype) not in kinds:
            kinds = [*kinds, str(self.dtype)] if self.scale is not None else [str(self.dtype)]
        return f"an array of {' or '.join(kinds)} and shape {self.takes}"

    def quantized(self, value: Array, model: str) -> Array:
        """The value as the model takes it: checked, and quantized if the model is.

        Warns where values lie so far out of the input's range that they are probably on another scale.

        Args:
            value: floats, uint8 pixels, the model's own integers or strings, of a shape that the port takes.
            model: what messages call the model.

        Raises:
            InputError: its shape, dtype or values are wrong.
        """
        array = np.asarray(value)
        self.check_shape(array, model)
        if self.is_text:
            return self._text(array, model)
        if array.dtype == self.dtype and not np.issubdtype(self.dtype, np.floating):
            return np.asarray(array, order="C")  # which leaves a scalar one
        if not (np.issubdtype(array.dtype, np.floating) or array.dtype == np.uint8):
            raise self._error(model, f"got {array.dtype}")
        with np.errstate(over="ignore"):  # float64 beyond float32: refused next
            real = array.astype(np.float32)
        if not np.isfinite(real).all():
            raise self._error(model, "got NaN or infinite values")
        if self.scale is None and not np.issubdtype(self.dtype, np.floating):
            raise self._error(model, f"got {array.dtype}")
        self._warn_beyond(real, model, pixels=array.dtype == np.uint8)
        if self.scale is None:
            return np.asarray(real, self.dtype, order="C")
        return np.asarray(quantize(real, self.scale, self.zero_point, self.dtype), order="C")

    def dequantized(self, value: Array) -> Array:
        """The value as real numbers, as it is where the port is not quantized."""
        return value if self.scale is None else dequantize(value, self.scale, self.zero_point)

    def _text(self, array: Array, model: str) -> Array:
        if array.dtype.kind not in "SUO" or not all(isinstance(one, str | bytes) for one in array.flat):
            raise self._error(model, f"got {array.dtype}")
        return np.asarray(array, dtype=object, order="C")

    def _warn_beyond(self, real: Array, model: str, pixels: bool) -> None:
        bounds = self.limits or self.pixels
        if bounds is None:
            return
        (low, high), least, greatest = bounds, float(real.min()), float(real.max())
        if low <= least and greatest <= high:
            if self._is_of_unit_range(real, least, greatest):
                told = f"those given fill the range from 0 to 1 ({least:.3g} to {greatest:.3g})"
                self._warn(model, self.pixels or bounds, told)
            return
        share = float(np.mean((real < low) | (real > high)))
        far = max(greatest - high, low - least) > (FAR - 1) * (high - low)
        if pixels or far or share > FEW:
            cut = " and are cut off" if self.limits else ""
            self._warn(model, bounds, f"{share:.1%} of those given lie beyond{cut}")

    def _is_of_unit_range(self, real: Array, least: float, greatest: float) -> bool:
        """Whether an image is on the scale from 0 to 1, and the input on another one that holds it: it would see a
        washed-out or a black image, and nothing would be cut off."""
        if self.pixels is None or np.allclose(self.pixels, (0, 1), atol=0.05):
            return False
        return 0 <= least <= 1 - FULL and FULL <= greatest <= 1 and bool((real % 1).any())

    def _warn(self, model: str, bounds: tuple[float, float], told: str) -> None:
        remedy = "edgebnn.preprocessing.preprocess gives pixels from -1 to 1"
        if self.pixels is not None:
            remedy = "model.classify and model.prepare do it for images of pixels 0 to 255"
        warnings.warn(
            f"{model}: input '{self.name}' takes values from {bounds[0]:.3g} to {bounds[1]:.3g}; {told}. Scale them as "
            f"for training: {remedy}",
            InputWarning,
            stacklevel=_level_outside(),
        )

    def check_shape(self, array: Array, model: str) -> None:
        """Raises InputError where an array does not have the shape that the port takes; messages name ``model``."""
        if not self.fits(array.shape):
            one = self.samples and array.ndim + 1 == len(self.shape)
            hint = " (one sample needs a batch dimension of 1 in front)" if one else ""
            raise self._error(model, f"got shape {array.shape}{hint}")
        if array.size == 0:
            raise self._error(model, "got no samples")

    def _error(self, model: str, got: str) -> InputError:
        return InputError(f"{model}: input '{self.name}' expects {self.expected}, {got}")


def _level_outside() -> int:
    """The ``stacklevel`` of a warning of the caller's that is to point at the program that uses edgebnn."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "edgebnn":
        frame, level = frame.f_back, level + 1
    return level


def input_ports(
    details: Sequence[dict[str, Any]], quantizing: Iterable[tuple[int, dict[str, Any]]]
) -> tuple[Port, ...]:
    """The inputs that LiteRT describes in ``details``, as of ``get_input_details``.

    ``quantizing``: for each QUANTIZE the index of its input, and what LiteRT says of its output.
    """
    limits = {index: _port(detail).limits for index, detail in quantizing}
    return _as_inputs([_port(detail) for detail in details], limits)


def output_ports(details: Sequence[dict[str, Any]]) -> tuple[Port, ...]:
    """The outputs that LiteRT describes in ``details``, as of ``get_output_details``."""
    return tuple(_port(detail) for detail in details)


def graph_inputs(graph: Graph, image: ImageFormat | None = None) -> tuple[Port, ...]:
    """The inputs of a graph, as LiteRT would describe them; that of an image, if it has one, with its pixels' range."""
    limits = {op.inputs[0]: _graph_port(graph, op.outputs[0]).limits for op in graph.ops if op.kind == "QUANTIZE"}
    return with_pixels(_as_inputs([_graph_port(graph, index) for index in graph.inputs], limits), image)


def with_pixels(ports: tuple[Port, ...], image: ImageFormat | None) -> tuple[Port, ...]:
    """The inputs, that of an image with the range of its pixels."""
    if image is None or not 0 <= image.input < len(ports):
        return ports
    return tuple(replace(p, pixels=image.range) if i == image.input else p for i, p in enumerate(ports))


def graph_outputs(graph: Graph) -> tuple[Port, ...]:
    """The outputs of a graph, as LiteRT would describe them."""
    return tuple(_graph_port(graph, index) for index in graph.outputs)


def _as_inputs(plain: Sequence[Port], limits: Mapping[int, tuple[float, float] | None]) -> tuple[Port, ...]:
    """``limits``: by tensors, of what they are quantized to."""
    return tuple(
        replace(port, samples=own, limits=port.limits or limits.get(port.index))
        for port, own in zip(plain, with_samples(plain), strict=True)
    )


def _graph_port(graph: Graph, index: int) -> Port:
    tensor, quantization = graph.tensors[index], graph.tensors[index].quantization
    quantized = quantization is not None and quantization.per_tensor and tensor.dtype.numpy.kind in "iu"
    scale = quantization.scale[0] if quantization is not None and quantized else None
    zero_point = quantization.zero_point[0] if quantization is not None and quantized else 0
    return Port(
        name=tensor.name,
        shape=tensor.shape,
        signature=tensor.shape if tensor.shape_signature is None else tensor.shape_signature,
        samples=True,
        index=index,
        dtype=tensor.dtype.numpy,
        scale=scale,
        zero_point=zero_point,
        limits=_limits(tensor.dtype.numpy, scale, zero_point),
    )


def _port(detail: dict[str, Any]) -> Port:
    parameters = detail["quantization_parameters"]
    dtype = np.dtype(detail["dtype"])
    quantized = len(parameters["scales"]) == 1 and np.issubdtype(dtype, np.integer)
    scale = float(parameters["scales"][0]) if quantized else None
    zero_point = int(parameters["zero_points"][0]) if quantized else 0
    return Port(
        name=detail["name"],
        shape=tuple(int(d) for d in detail["shape"]),
        signature=tuple(int(d) for d in detail.get("shape_signature", detail["shape"])),
        samples=True,
        index=int(detail["index"]),
        dtype=dtype,
        scale=scale,
        zero_point=zero_point,
        limits=_limits(dtype, scale, zero_point),
    )


def _limits(dtype: np.dtype[Any], scale: float | None, zero_point: int) -> tuple[float, float] | None:
    """The range of 8 bits, half a step more at either end, that rounding does not leave."""
    if scale is None or dtype.itemsize > 1:
        return None
    ends = np.iinfo(dtype)
    return (ends.min - zero_point - 0.5) * scale, (ends.max - zero_point + 0.5) * scale
