"""From a Keras model, or an int8 file, to a .tflite file, with lint before and after.

TensorFlow is loaded only when it is needed: not to rewrite a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from edgebnn.errors import InputError
from edgebnn.files import check_writable, write_bytes
from edgebnn.graph.types import Array, Graph

from . import calibration as calibrating
from .binary_dense import to_binary_dense
from .findings import Finding
from .lint import lint_conversion, lint_graph, lint_keras
from .post_training import int8_around_binary
from .read_tflite import read
from .w1a8 import inspect, to_w1a8
from .write_tflite import to_bytes

Target = Literal["lce", "int8", "w1a8", "float"]


@dataclass(frozen=True)
class ConversionResult:
    """The file written, its size in bytes, and the findings on the calibration, the model and the file."""

    path: Path
    bytes: int
    findings: tuple[Finding, ...]


def convert(
    source: str | Path | Any,
    out_path: str | Path,
    to: Target = "lce",
    calibration: Array | Sequence[Array] | None = None,
    portable: bool = False,
) -> ConversionResult:
    """Convert a Keras model, or rewrite a .tflite file, and write ``out_path``: whole, or not at all.

    ``source`` is a Keras model, or what :func:`.from_keras.load_model` takes: a saved model or
    ``package.module:function``. ``to`` and ``calibration`` are those of :func:`.from_keras.convert`; an array stands
    for the only input. In a file for ``"lce"`` calibration makes int8 what surrounds the binary ops, its inputs and
    outputs excepted (:mod:`.post_training`). ``"w1a8"`` is int8 with two-valued weights packed to 1 bit
    (:mod:`.w1a8`); for it ``source`` may also be an int8 .tflite file. In files for ``"lce"``, LCE's own among them,
    dense layers of signs become binary too (:mod:`.binary_dense`). ``portable`` leaves it a standard int8 file, which
    any TFLite runs, and edgebnn with 1-bit weights in memory where that pays (see :class:`edgebnn.Interpreter`).

    Raises EdgebnnError naming the file or layer at fault, UnsupportedOpError if the file would hold an op that edgebnn
    cannot run.
    """
    path = Path(out_path)
    check_writable(path)
    if to not in get_args(Target):
        raise InputError(f"cannot convert to '{to}'; choose one of {', '.join(get_args(Target))}")
    if portable and to != "w1a8":
        raise InputError(f"portable is for w1a8; a file converted to {to} is what it is")
    if isinstance(source, str | Path) and str(source).endswith(".tflite"):
        return _rewritten(source, path, to, calibration, portable)
    data, graph, findings = _converted(source, path, to, calibration, portable)
    write_bytes(path, data)
    return ConversionResult(path, len(data), findings + _remarks(graph, portable, findings))


def _rewritten(
    source: str | Path, path: Path, to: Target, calibration: Array | Sequence[Array] | None, portable: bool
) -> ConversionResult:
    if to not in ("lce", "w1a8") or calibration is not None:
        raise InputError(f"{source}: a .tflite file is only rewritten: give --to lce or w1a8, and no calibration")
    graph = read(source)
    if to == "lce":
        graph = to_binary_dense(graph)
        data = to_bytes(graph)
        write_bytes(path, data)
        return ConversionResult(path, len(data), lint_graph(graph))
    content = Path(source).read_bytes() if portable else None
    data, graph, findings = _packed(graph, content)
    write_bytes(path, data)
    return ConversionResult(path, len(data), findings + _remarks(graph, portable, findings))


def _packed(graph: Graph, content: bytes | None) -> tuple[bytes, Graph, tuple[Finding, ...]]:
    """The file with packed weights; ``content``, the file as it is, if it is to stay standard."""
    if content is not None:
        return content, graph, inspect(graph)
    graph, findings = to_w1a8(graph)
    return to_bytes(graph), graph, findings


def _remarks(graph: Graph, portable: bool, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Lint's on the file, but for rules already among ``findings``, and for what a portable file is meant to be."""
    said = {finding.rule for finding in findings} | ({"binary-weights-in-int8"} if portable else set())
    return tuple(finding for finding in lint_graph(graph) if finding.rule not in said)


def _converted(
    source: str | Path | Any, path: Path, to: Target, calibration: Array | Sequence[Array] | None, portable: bool
) -> tuple[bytes, Graph, tuple[Finding, ...]]:
    """The file, what it holds, and the findings that come before lint's on the file."""
    from . import from_keras  # loads TensorFlow

    model = from_keras.load_model(str(source)) if isinstance(source, str | Path) else source
    inputs = [calibration] if isinstance(calibration, np.ndarray) else calibration
    findings = () if inputs is None else calibrating.check(inputs, from_keras.input_shapes(model))
    findings += lint_keras(model, to)
    data = from_keras.convert(model, "int8" if to == "w1a8" else to, inputs)
    graph = read(data, name=str(path))
    if to == "lce":
        findings += lint_conversion(model, graph)
        graph = to_binary_dense(graph)
        if inputs is not None and not from_keras.has_fake_quantization(model):
            graph = int8_around_binary(graph, inputs, from_keras.quantize)
        return to_bytes(graph), graph, findings
    if to == "w1a8":
        data, graph, hindrances = _packed(graph, data if portable else None)
        return data, graph, findings + hindrances
    return data, graph, findings
