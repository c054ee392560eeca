"""Arrays for a model and from it: a user's files, and the samples that are made of them."""

from __future__ import annotations

import io
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgebnn.errors import InputError, UnsupportedOpError
from edgebnn.files import unreadable, write_bytes
from edgebnn.graph.batches import run_all
from edgebnn.graph.samples import call
from edgebnn.graph.types import Array, Graph
from edgebnn.runtime.model import Model
from edgebnn.runtime.port import Port, graph_outputs

from .model_file import ModelFile
from .noise import Sample, noise

# What numpy.load and the modules below it raise for files that are damaged, encrypted or of another kind.
_DAMAGED = (
    *(ValueError, EOFError, KeyError, TypeError, IndexError, SyntaxError, NotImplementedError, RuntimeError),
    *(OverflowError, zipfile.BadZipFile, zlib.error, tokenize.TokenError),
)


def read_arrays(path: Path, model: ModelFile | Model) -> tuple[Array, ...]:
    """The inputs [N, ...] that a file holds, as the user has them.

    Args:
        path: an ``.npy``, or an ``.npz`` with an array of the name of each input: the signature's, or the tensor's.
        model: whose inputs they are.

    Returns:
        An array for each input, in the model's order.

    Raises:
        InputError: the file cannot be read, holds something else or other shapes, or lacks an input. Pickles are not
            read.
    """
    found = _in_order(path, read_named_arrays(path), model)
    if len(found) != len(model.inputs):
        raise InputError(f"{path}: holds one array, and {model.name} has {len(model.inputs)} inputs; give an .npz")
    for port, array in zip(model.inputs, found, strict=True):
        try:
            port.check_shape(array, model.name)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
    return found


def _in_order(path: Path, named: dict[str, Array], model: ModelFile | Model) -> tuple[Array, ...]:
    if list(named) == [""]:
        return (named[""],)
    if len(model.inputs) == len(named) == 1:
        return tuple(named.values())
    tensors = [port.name for port in model.inputs]
    names = tensors if set(tensors) <= set(named) else list(model.arguments)
    if missing := [name for name in names if name not in named]:
        raise InputError(
            f"{path}: has no array '{missing[0]}'; it must hold one for each input of {model.name}: {', '.join(names)}"
        )
    return tuple(named[name] for name in names)


def read_named_arrays(path: Path) -> dict[str, Array]:
    """The arrays of an ``.npz`` by name, or that of an ``.npy`` under the empty name.

    Raises:
        InputError: the file cannot be read or holds something else. Pickles are not read.
    """
    try:
        with path.open("rb") as file:
            loaded: Any = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return {"": loaded}
            found = {name: loaded[name] for name in loaded.files}
    except OSError as error:
        raise unreadable(path, error) from None
    except MemoryError:
        raise InputError(f"{path}: an array in it needs more memory than there is") from None
    except _DAMAGED:
        raise InputError(f"{path}: is not an .npy or .npz file of plain arrays; write one with numpy.save") from None
    for name, value in found.items():
        if not isinstance(value, np.ndarray):
            raise InputError(f"{path}: '{name}' in it is not an array; write it with numpy.savez")
    if not found:
        raise InputError(f"{path}: holds no arrays")
    return found


def samples(model: ModelFile, arrays: Sequence[Array], count: int) -> Iterator[Sample]:
    """Samples in the model's own shapes and dtypes.

    Args:
        model: that takes them.
        arrays: one for each input, [N, ...]; if none are given the samples are noise.
        count: how many at most, each of the file's own batch size.

    Returns:
        An iterator over samples, each an array for each input.

    Raises:
        InputError: the arrays do not fit, or noise cannot be made for this model.
    """
    if not arrays:
        yield from noise(model, count)
        return
    if len(arrays) != len(model.inputs):
        raise InputError(f"{model.name}: {len(model.inputs)} inputs expected, {len(arrays)} given")
    values = [port.quantized(array, model.name) for port, array in zip(model.inputs, arrays, strict=True)]
    given = call(model.name, model.inputs, values)
    if given.whole:
        yield tuple(values)
        return
    found = given.samples // given.batch
    if not found:
        raise InputError(
            f"{model.name}: {given.samples} samples given, fewer than the batch of {given.batch} that it takes"
        )
    for start in range(0, min(count, found) * given.batch, given.batch):
        yield tuple(
            array if not counted else array[start] if stacked else array[start : start + given.batch]
            for array, counted, stacked in zip(values, given.counted, given.stacked, strict=True)
        )


def run_reference(model: ModelFile, arrays: Sequence[Array], threads: int = 1) -> tuple[Array, ...]:
    """What the reference executor makes of the user's arrays.

    Args:
        model: in the IR.
        arrays: one for each input, [N, ...].
        threads: parts of the samples run at the same time on so many.

    Returns:
        An array [N, ...] for each output, quantized ones as real numbers.

    Raises:
        InputError: the arrays do not fit.
        UnsupportedOpError, ModelFormatError: the IR does not hold the model.
    """
    return run_with(model, arrays, lambda graph, values: run_all(graph, values, threads))


def run_with(
    model: ModelFile, arrays: Sequence[Array], compute: Callable[[Graph, Sequence[Array]], tuple[Array, ...]]
) -> tuple[Array, ...]:
    """What an executor makes of the user's arrays.

    Args:
        model: in the IR.
        arrays: one for each input, [N, ...].
        compute: the executor: it is given the graph, and the arrays as its inputs have them.

    Returns:
        An array [N, ...] for each output, quantized ones as real numbers.

    Raises:
        InputError: the arrays do not fit.
        UnsupportedOpError, ModelFormatError: the IR does not hold the model.
    """
    if len(arrays) != len(model.inputs):
        raise InputError(f"{model.name}: {len(model.inputs)} inputs expected, {len(arrays)} given")
    values = [port.quantized(array, model.name) for port, array in zip(model.inputs, arrays, strict=True)]
    graph = model.graph_for([_own_batch(port, array) for port, array in zip(model.inputs, values, strict=True)])
    try:
        outputs = compute(replace(graph, name=model.name), values)
    except UnsupportedOpError as error:  # which knows the layer alone
        raise UnsupportedOpError(f"{model.name}: {error}") from None
    return tuple(port.dequantized(array) for port, array in zip(graph_outputs(graph), outputs, strict=True))


def _own_batch(port: Port, array: Array) -> Array:
    """As many samples as the file takes at a time, in the array's own size where the file leaves that open."""
    if not port.samples or not port.shape:
        return np.empty(port.shape)
    return array[: max(1, port.shape[0])] if -1 in port.dimensions[1:] else np.broadcast_to(np.int8(0), port.shape)


def write_arrays(path: Path, model: ModelFile | Model, arrays: Sequence[Array]) -> None:
    """Writes a model's outputs, whole or not at all: one as ``.npy``, several as ``.npz`` by their names in the file.

    Args:
        path: of the file.
        model: whose outputs they are.
        arrays: one for each output.

    Raises:
        InputError: there are several, or none, and ``path`` is an ``.npy``; or they, or it, cannot be written.
    """
    if len(arrays) != 1 and path.suffix != ".npz":
        raise InputError(f"{path}: {model.name} has {len(arrays)} outputs; give an .npz to write them to")
    buffer = io.BytesIO()
    arrays = [_as_plain(path, array) for array in arrays]
    if path.suffix == ".npz":
        # numpy.savez takes names as keyword arguments, of which it has some of its own.
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, array in zip(_distinct([port.name for port in model.outputs]), arrays, strict=True):
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    np.save(member, array, allow_pickle=False)
    else:
        np.save(buffer, arrays[0])
    write_bytes(path, buffer.getvalue())


def _as_plain(path: Path, array: Array) -> Array:
    """Strings as an array of one length, filled up with zero bytes; all else as it is."""
    if array.dtype != object:
        return array
    if any(one.endswith(b"\0") for one in array.flat):
        raise InputError(f"{path}: an .npy loses the zero bytes at the end of a string; run the model from Python")
    return array.astype(bytes)


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, each once: empty ones are numbered, and so are repeated ones."""
    found: list[str] = []
    for number, name in enumerate(names):
        fitting = name or f"output_{number}"
        while fitting in found:
            fitting = f"{fitting}_{number}"
        found.append(fitting)
    return found
