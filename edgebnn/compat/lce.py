"""The interface of Larq Compute Engine's Python interpreter on edgebnn's runtime.

Code that moves over changes one import::

    from edgebnn.compat.lce import Interpreter      # was: from larq_compute_engine.tflite.python.interpreter
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebnn.errors import InputError
from edgebnn.runtime.interpreter import Interpreter as _Interpreter
from edgebnn.runtime.litert import OpResolverType

Data = NDArray[Any] | list[NDArray[Any]]


class Interpreter:
    """Runs an LCE model sample by sample, as LCE's interpreter does.

    Binary and int8 ops give the same bits. Float ops are those of the installed LiteRT, not of the older TensorFlow
    Lite in LCE, and may add in another order: floats differ in their last digits, and where such a float next to zero
    is binarized its sign can flip, which shows in the outputs of a few samples in a hundred (seen in 4 of 400 images).

    flatbuffer_model: the content of a .tflite file. num_threads: of every op. use_xnnpack: run the ops that are not
    LCE's on XNNPACK, whose int8 kernels round differently. use_reference_bconv and use_indirect_bgemm chose among
    LCE's kernels; they are accepted, and change nothing: ours handle every option.

    Raises what :class:`edgebnn.runtime.interpreter.Interpreter` raises.
    """

    def __init__(
        self,
        flatbuffer_model: bytes,
        num_threads: int = 1,
        use_reference_bconv: bool = False,
        use_indirect_bgemm: bool = False,
        use_xnnpack: bool = False,
    ) -> None:
        resolver = OpResolverType.AUTO if use_xnnpack else OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        self._interpreter = _Interpreter(
            model_content=flatbuffer_model, num_threads=num_threads, experimental_op_resolver_type=resolver
        )
        self._interpreter.allocate_tensors()
        self._inputs: list[dict[str, Any]] = self._interpreter.get_input_details()
        self._outputs: list[dict[str, Any]] = self._interpreter.get_output_details()

    @property
    def input_types(self) -> list[np.dtype[Any]]:
        """The dtype of each input."""
        return [np.dtype(detail["dtype"]) for detail in self._inputs]

    @property
    def input_shapes(self) -> list[tuple[int, ...]]:
        """The shape of each input, its batch size 1."""
        return [_shape(detail) for detail in self._inputs]

    @property
    def input_scales(self) -> list[float | list[float] | None]:
        """The quantization scale of each input, None where it is not quantized."""
        return [_scale(detail) for detail in self._inputs]

    @property
    def input_zero_points(self) -> list[int | None]:
        """The zero point of each input, None where it is not quantized."""
        return [_zero_point(detail) for detail in self._inputs]

    @property
    def output_types(self) -> list[np.dtype[Any]]:
        """The dtype of each output."""
        return [np.dtype(detail["dtype"]) for detail in self._outputs]

    @property
    def output_shapes(self) -> list[tuple[int, ...]]:
        """The shape of each output, its batch size 1."""
        return [_shape(detail) for detail in self._outputs]

    @property
    def output_scales(self) -> list[float | list[float] | None]:
        """The quantization scale of each output, None where it is not quantized."""
        return [_scale(detail) for detail in self._outputs]

    @property
    def output_zero_points(self) -> list[int | None]:
        """The zero point of each output, None where it is not quantized."""
        return [_zero_point(detail) for detail in self._outputs]

    def predict(self, x: Data | Iterator[Data], verbose: int = 0) -> Data:
        """The outputs for all samples.

        Args:
            x: an array of samples, a list of such arrays for models with several inputs, or an iterator over samples,
                each an array or a list of them; an input whose shape does not begin with 1, such as a number, takes
                samples of that very shape.
            verbose: 1 shows progress on standard error.

        Returns:
            An array [N, ...] or, for models with several outputs, a list of arrays.

        Raises:
            InputError: a sample's shape or dtype is not the model's, or there are none, or not as many of each input.
            ValueError: ``x`` is none of these.
        """
        samples: Iterable[list[NDArray[Any]]] = _samples(x)
        if verbose >= 1:
            samples = _with_progress(samples)
        predictions = [self._predict_one(sample) for sample in samples]
        if not predictions:
            raise InputError("predict: no samples were given")
        outputs = [_joined(column) for column in zip(*predictions, strict=True)]
        return outputs[0] if len(outputs) == 1 else outputs

    def _predict_one(self, sample: list[NDArray[Any]]) -> list[NDArray[Any]]:
        if len(sample) != len(self._inputs):
            raise InputError(f"predict: the model has {len(self._inputs)} inputs, a sample has {len(sample)}")
        for detail, value in zip(self._inputs, sample, strict=True):
            self._interpreter.set_tensor(detail["index"], _as_input(detail, value))
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(detail["index"]) for detail in self._outputs]


def _as_input(detail: dict[str, Any], value: NDArray[Any]) -> NDArray[Any]:
    """A sample as the input takes it: with a batch axis of 1 in front where the input has one.

    Raises InputError where its shape or dtype is not the input's.
    """
    shape, dtype = _shape(detail), np.dtype(detail["dtype"])
    alike = value.dtype.kind in "SUO" if dtype.kind == "S" else value.dtype == dtype
    for array in (value[np.newaxis], value):
        if alike and array.shape == shape:
            return array
    raise InputError(
        f"predict: input '{detail['name']}' expects samples of {'strings' if dtype.kind == 'S' else dtype} and shape "
        f"{shape[1:] if shape[:1] == (1,) else shape}, got {value.dtype} and {value.shape}"
    )


def _joined(column: tuple[NDArray[Any], ...]) -> NDArray[Any]:
    """One output of all samples; what has no batch axis of 1 is stacked."""
    return np.concatenate(column) if column[0].shape[:1] == (1,) else np.stack(column)


def _shape(detail: dict[str, Any]) -> tuple[int, ...]:
    return tuple(int(dimension) for dimension in detail["shape"])


def _scale(detail: dict[str, Any]) -> float | list[float] | None:
    scales = [float(scale) for scale in detail["quantization_parameters"]["scales"]]
    if not scales:
        return None
    return scales[0] if len(scales) == 1 else scales


def _zero_point(detail: dict[str, Any]) -> int | None:
    zero_points = detail["quantization_parameters"]["zero_points"]
    return int(zero_points[0]) if len(zero_points) else None


def _samples(x: Data | Iterator[Data]) -> Iterator[list[NDArray[Any]]]:
    if isinstance(x, np.ndarray) and x.ndim:
        return ([np.asarray(sample)] for sample in x)
    if isinstance(x, list):
        if len({len(values) for values in x}) > 1:
            raise InputError(f"predict: inputs of different numbers of samples {[len(values) for values in x]}")
        return ([np.asarray(value) for value in sample] for sample in zip(*x, strict=True))
    if isinstance(x, Iterator):
        return (
            [np.asarray(value) for value in (sample if isinstance(sample, list | tuple) else [sample])] for sample in x
        )
    raise ValueError(
        "predict takes an array of samples, a list of such arrays (one per input) or an iterator over samples, "
        f"not {'a single number' if isinstance(x, np.ndarray) else type(x).__name__}"
    )


def _with_progress(samples: Iterable[list[NDArray[Any]]]) -> Iterable[list[NDArray[Any]]]:
    from rich.console import Console
    from rich.progress import track

    return track(samples, description="predict", console=Console(stderr=True))
