"""Arrays for a model and from it: a user's files, and repeatable noise where there are none."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from edgebnn.errors import InputError
from edgebnn.files import unreadable, write_bytes
from edgebnn.graph.batches import run_all
from edgebnn.graph.types import Array, Graph, Tensor
from edgebnn.runtime.port import graph_inputs, graph_outputs

from .model_file import ModelFile

Sample = tuple[Array, ...]
"""One array per input of a model, in the model's own shapes and dtypes."""


def read_arrays(path: Path, model: ModelFile) -> tuple[Array, ...]:
    """The inputs [N, ...] that a file holds, as the user has them: an ``.npy``, or an ``.npz`` with an array per input.

    Raises InputError naming the file; pickles are not read.
    """
    named = read_named_arrays(path)
    if list(named) == [""]:
        return (named[""],)
    names = [port.name for port in graph_inputs(model.graph)]
    if missing := [name for name in names if name not in named]:
        raise InputError(f"{path}: has no array '{missing[0]}'; it must hold one for each input of {model.name}")
    return tuple(named[name] for name in names)


def read_named_arrays(path: Path) -> dict[str, Array]:
    """The arrays of an ``.npz`` by name, or that of an ``.npy`` under the empty name. Raises InputError."""
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"": loaded}
        with loaded:
            return dict(loaded)
    except OSError as error:
        raise unreadable(path, error) from None
    except (ValueError, EOFError, BadZipFile):
        raise InputError(f"{path}: is not an .npy or .npz file of plain arrays; write one with numpy.save") from None


def as_model_inputs(arrays: tuple[Array, ...], model: ModelFile) -> Sample:
    """The arrays [N, ...] as the model takes them: checked, and quantized where it is. Raises InputError."""
    ports = graph_inputs(model.graph)
    if len(arrays) != len(ports):
        raise InputError(f"{model.name}: {len(ports)} inputs expected, {len(arrays)} given")
    return tuple(port.quantized(values, model.name) for port, values in zip(ports, arrays, strict=True))


def samples(model: ModelFile, arrays: tuple[Array, ...], count: int) -> Iterator[Sample]:
    """At most ``count`` samples of the arrays [N, ...], one for each input, or as many of noise where none are given.

    Each sample has the model's own batch size. Raises InputError for arrays that do not fit.
    """
    if not arrays:
        yield from noise(model.graph, count)
        return
    values = as_model_inputs(arrays, model)
    batch = model.graph.tensors[model.graph.inputs[0]].shape[0]
    found = len(values[0]) // batch
    if not found:
        raise InputError(f"{model.name}: {len(values[0])} samples given, fewer than the batch of {batch} that it takes")
    for start in range(0, min(count, found) * batch, batch):
        yield tuple(array[start : start + batch] for array in values)


def noise(graph: Graph, count: int, seed: int = 0) -> Iterator[Sample]:
    """``count`` samples of noise: floats uniform in [-1, 1), integers over their whole range."""
    generator = np.random.default_rng(seed)
    for _ in range(count):
        yield tuple(_noise(graph.tensors[index], generator) for index in graph.inputs)


def _noise(tensor: Tensor, generator: np.random.Generator) -> Array:
    dtype = tensor.dtype.numpy
    if dtype.kind == "f":
        return generator.uniform(-1, 1, tensor.shape).astype(dtype)
    if dtype.kind == "b":
        return generator.integers(0, 2, tensor.shape).astype(dtype)
    limits = np.iinfo(dtype)
    return generator.integers(limits.min, limits.max, tensor.shape, dtype=dtype, endpoint=True)


def run_reference(model: ModelFile, arrays: tuple[Array, ...], threads: int = 1) -> tuple[Array, ...]:
    """What the reference executor makes of the user's arrays [N, ...], quantized outputs as real numbers."""
    outputs = run_all(model.graph, as_model_inputs(arrays, model), threads)
    return tuple(port.dequantized(values) for port, values in zip(graph_outputs(model.graph), outputs, strict=True))


def write_arrays(path: Path, model: ModelFile, arrays: tuple[Array, ...]) -> None:
    """Write outputs atomically: one as ``.npy``, several as ``.npz`` by name."""
    names = [port.name for port in graph_outputs(model.graph)]
    if len(arrays) > 1 and path.suffix != ".npz":
        raise InputError(f"{path}: {model.name} has {len(arrays)} outputs; give an .npz to write them to")
    buffer = io.BytesIO()
    if path.suffix == ".npz":
        np.savez(buffer, **dict(zip(names, arrays, strict=True)))
    else:
        np.save(buffer, arrays[0])
    write_bytes(path, buffer.getvalue())
