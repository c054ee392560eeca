"""A loaded model as a function on NumPy arrays."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebnn.errors import EdgebnnError, InputError, ModelFormatError
from edgebnn.graph.types import Array

from .interpreter import Interpreter
from .litert import OpResolverType
from .plugin import PackInt8
from .port import Port, ports
from .profile import Profile

MAX_BATCH = 32
"""Samples of one invoke. More gains nothing and costs activation memory."""


class Model:
    """Call it with one array per input; it returns one array, or a tuple if the model has several outputs.

    Arrays have the batch in front, of any size. Floats, and uint8 images (pixel values 0 to 255), are quantized where
    the model takes integers; an array of the model's own integer type is taken as it is. Quantized outputs are
    dequantized to float32.

    Calls from several threads take turns.
    """

    def __init__(self, make: Callable[[], Interpreter], name: str) -> None:
        self._make = make
        self._interpreter = make()
        self._lock = threading.Lock()
        self._fixed_batch: int | None = None
        self.name = name
        self.inputs: tuple[Port, ...] = ports(self._interpreter.get_input_details())
        self.outputs: tuple[Port, ...] = ports(self._interpreter.get_output_details())

    def __call__(self, *images: Array) -> Array | tuple[Array, ...]:
        """Runs the model.

        Raises:
            InputError: an array has a wrong shape, dtype or value.
        """
        values = self.checked(images)
        with self._lock:
            outputs = self._run(values)
        results = tuple(port.dequantized(value) for port, value in zip(self.outputs, outputs, strict=True))
        return results[0] if len(results) == 1 else results

    def profile(self, *images: Array, repeats: int = 30) -> Profile:
        """Where the time of one inference of ``images`` goes, as many samples as one invoke of the model takes.

        Raises:
            InputError: an array has a wrong shape, dtype or value.
        """
        values = self.checked(images)
        with self._lock:
            self._run(values)
            limit = self._fixed_batch or MAX_BATCH
            self.invoke([value[:limit] for value in values])
            return self._interpreter.profile(repeats)

    def checked(self, images: Sequence[Array]) -> list[Array]:
        """The arrays as the model's inputs take them, all of one batch size."""
        if len(images) != len(self.inputs):
            raise InputError(f"{self.name}: {len(self.inputs)} inputs expected, {len(images)} given")
        values = [port.quantized(image, self.name) for port, image in zip(self.inputs, images, strict=True)]
        sizes = {value.shape[0] for value in values if value.ndim}
        if len(sizes) > 1:
            raise InputError(f"{self.name}: inputs of different batch sizes {sorted(sizes)}")
        return values

    def _run(self, values: list[Array]) -> list[NDArray[np.generic]]:
        samples = values[0].shape[0] if values and values[0].ndim else 1
        if self._fixed_batch is None and not all(
            port.fits(value) for port, value in zip(self.inputs, values, strict=True)
        ):
            resized = self._run_resized(values, samples)
            if resized is not None:
                return resized
            self._fixed_batch = self.inputs[0].shape[0]
            self._interpreter = self._make()
        if self._fixed_batch is not None:
            return self._run_chunks(values, samples, self._fixed_batch)
        return self.invoke(values)

    def _run_resized(self, values: list[Array], samples: int) -> list[NDArray[np.generic]] | None:
        """None if the model does not bear another batch size than the file's."""
        try:
            outputs = self._run_chunks(values, samples, min(samples, MAX_BATCH))
        except EdgebnnError:
            return None
        return outputs if all(output.ndim and output.shape[0] == samples for output in outputs) else None

    def _run_chunks(self, values: list[Array], samples: int, batch: int) -> list[NDArray[np.generic]]:
        parts = []
        for start in range(0, samples, batch):
            part = [value[start : start + batch] for value in values]
            missing = batch - part[0].shape[0]
            if missing and self._fixed_batch is not None:
                part = [np.concatenate([value, np.repeat(value[-1:], missing, axis=0)]) for value in part]
            outputs = self.invoke(part)
            parts.append([output[: batch - missing] for output in outputs] if missing else outputs)
        return [np.concatenate(column) for column in zip(*parts, strict=True)]

    def invoke(self, values: Sequence[Array]) -> list[NDArray[np.generic]]:
        """One invoke on values of the inputs' own dtypes. Resizes the inputs if their shapes have changed."""
        try:
            self.feed(values)
            self._interpreter.invoke()
        except RuntimeError as error:
            raise ModelFormatError(f"{self.name}: LiteRT cannot run it: {' '.join(str(error).split())}") from None
        return [self._interpreter.get_tensor(port.index) for port in self.outputs]

    def feed(self, values: Sequence[Array]) -> None:
        present = {detail["index"]: tuple(detail["shape"]) for detail in self._interpreter.get_input_details()}
        changed = [port for port, value in zip(self.inputs, values, strict=True) if present[port.index] != value.shape]
        if changed:
            for port, value in zip(self.inputs, values, strict=True):
                self._interpreter.resize_tensor_input(port.index, value.shape)
            self._interpreter.allocate_tensors()
        for port, value in zip(self.inputs, values, strict=True):
            self._interpreter.set_tensor(port.index, value)


def load(
    source: str | Path | bytes,
    num_threads: int = 1,
    exact: bool = False,
    kernels: str | None = None,
    pack_int8: PackInt8 | None = None,
) -> Model:
    """Opens a .tflite file (or its bytes) for inference: LiteRT with our delegate, no TensorFlow.

    exact: run the ops that are not ours on LiteRT's reference kernels, which are bit-exact with the reference
    executor, and slow, in place of XNNPACK. kernels, pack_int8: those of :class:`Interpreter`.

    Raises what :class:`Interpreter` raises.
    """
    resolver = OpResolverType.BUILTIN_REF if exact else OpResolverType.AUTO
    given: dict[str, Any] = {"model_content": source} if isinstance(source, bytes) else {"model_path": source}

    def make() -> Interpreter:
        made = Interpreter(
            **given,
            num_threads=num_threads,
            experimental_op_resolver_type=resolver,
            kernels=kernels,
            pack_int8=pack_int8,
        )
        made.allocate_tensors()
        return made

    return Model(make, "model_content" if isinstance(source, bytes) else os.fspath(source))
