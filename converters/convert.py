"""From a Keras model to a .tflite file, with lint before and after. TensorFlow is loaded only when it is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgebnn.files import check_writable, write_bytes
from edgebnn.graph.types import Array

from . import calibration as calibrating
from .findings import Finding
from .lint import lint_conversion, lint_graph, lint_keras
from .read_tflite import read

if TYPE_CHECKING:
    from .from_keras import Target


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
) -> ConversionResult:
    """Convert a Keras model and write ``out_path``: whole, or not at all.

    ``source`` is a Keras model, or what :func:`.from_keras.load_model` takes: a saved model or
    ``package.module:function``. ``to`` and ``calibration`` are those of :func:`.from_keras.convert`; an array stands
    for the only input. Raises EdgebnnError naming the file or layer at fault, UnsupportedOpError if the file would
    hold an op that edgebnn cannot run.
    """
    from . import from_keras  # loads TensorFlow

    path = Path(out_path)
    check_writable(path)
    model = from_keras.load_model(str(source)) if isinstance(source, str | Path) else source
    inputs = [calibration] if isinstance(calibration, np.ndarray) else calibration
    findings = () if inputs is None else calibrating.check(inputs, from_keras.input_shapes(model))
    findings += lint_keras(model, to)
    data = from_keras.convert(model, to, inputs)
    graph = read(data, name=str(path))
    said = {finding.rule for finding in findings}
    findings += tuple(finding for finding in lint_graph(graph) if finding.rule not in said)
    if to == "lce":
        findings += lint_conversion(model, graph)
    write_bytes(path, data)
    return ConversionResult(path, len(data), findings)
