"""From a Keras model, or an int8 file, to a .tflite file, with lint before and after.

TensorFlow is loaded only when it is needed: not to rewrite a file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from edgebnn.errors import InputError, ModelFormatError
from edgebnn.files import check_writable, read_bytes, write_bytes
from edgebnn.graph.flatbuffer import IDENTIFIER
from edgebnn.graph.kept_metadata import kept
from edgebnn.graph.metadata import Metadata, recorded
from edgebnn.graph.types import Graph
from edgebnn.runtime import litert_limits

from . import calibration as calibrating
from . import converter_process
from .binary_dense import to_binary_dense
from .calibration import Calibration
from .findings import Finding
from .grouped import with_grouped_convolutions
from .keras_names import renamed
from .lint import lint_conversion, lint_graph, lint_int8, lint_keras
from .post_training import int8_around_binary
from .read_tflite import read
from .sign_sources import with_signs_of_sources
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
    calibration: Calibration | None = None,
    portable: bool = False,
    imports: Sequence[str] = (),
    metadata: Metadata | None = None,
) -> ConversionResult:
    """Convert a Keras model, or rewrite a .tflite file, and write ``out_path``: whole, or not at all.

    The file has the inputs and outputs of a Keras model in Keras' order and by its names: those of the layers, or the
    keys of dicts, which count sorted; of a subclassed model, those of the parameters of its call. A .tflite file keeps
    its own. TensorFlow's converters run in a process of their own, which is kept for the next conversion; it is given
    the traced graph, so the model may be made of any classes (:mod:`.converter_process`).

    Args:
        source: a Keras model, subclassed ones after a first call; or what :func:`.from_keras.load_model` takes: a
            saved model or ``package.module:function``; for ``"lce"`` and ``"w1a8"`` also a .tflite file.
        out_path: ends in ``.tflite``.
        to: as for :func:`.from_keras.to_graph`; in files for ``"lce"``, LCE's own among them, dense layers of signs
            become binary too (:mod:`.binary_dense`), signs are taken in front of activations that keep them
            (:mod:`.sign_sources`), convolutions of channels apart are one (:mod:`.grouped`), and calibration makes
            int8 what surrounds the binary ops, inputs and outputs excepted (:mod:`.post_training`). ``"w1a8"`` is int8
            with two-valued weights packed to 1 bit (:mod:`.w1a8`).
        calibration: typical inputs, preprocessed as for training, in Keras' order or by name.
        portable: for ``"w1a8"``: leave a standard int8 file, which any TFLite runs, and edgebnn with 1-bit weights in
            memory where that pays (see :class:`edgebnn.Interpreter`).
        imports: modules that define what a saved model is made of beside Keras' and Larq's layers.
        metadata: what the file is to say of the model in TFLite's metadata format: its labels, the images that it
            takes. What is not given is kept from a .tflite file, or from a .keras file that edgebnn trained.

    Returns:
        The file's path and size, and the findings.

    Raises:
        EdgebnnError: naming the file or layer at fault; UnsupportedOpError if the file would hold an op that edgebnn
            cannot run.
    """
    path = Path(out_path)
    check_output(path)
    if to not in get_args(Target):
        raise InputError(f"cannot convert to '{to}'; choose one of {', '.join(get_args(Target))}")
    if portable and to != "w1a8":
        raise InputError(f"portable is for w1a8; a file converted to {to} is what it is")
    if isinstance(source, str | Path) and is_tflite(source):
        return _rewritten(source, path, to, calibration, portable, metadata)
    known = kept(Path(source)) if isinstance(source, str | Path) else None
    if metadata is not None and known is not None:
        known = metadata.over(known)
    graph, findings = _converted(source, to, calibration, portable, imports)
    return _written(_described(graph, known or metadata), path, portable, findings)


def _described(graph: Graph, metadata: Metadata | None) -> Graph:
    return graph if metadata is None else recorded(graph, metadata)


def check_output(path: Path) -> None:
    """Raise InputError if no .tflite file can be written to ``path``, or if it is not called one."""
    if path.suffix != ".tflite":
        raise InputError(f"{path}: a converted model is a .tflite file; give a name that ends in .tflite")
    check_writable(path)


def is_tflite(path: str | Path) -> bool:
    """Whether ``path`` is a .tflite file, by its name or, whatever it is called, by its content."""
    if str(path).endswith(".tflite"):
        return True
    try:
        with open(path, "rb") as file:
            return file.read(8)[4:] == IDENTIFIER
    except (OSError, ValueError):
        return False


def _rewritten(
    source: str | Path,
    path: Path,
    to: Target,
    calibration: Calibration | None,
    portable: bool,
    metadata: Metadata | None,
) -> ConversionResult:
    if to not in ("lce", "w1a8") or calibration is not None:
        raise InputError(f"{source}: a .tflite file is only rewritten: give --to lce or w1a8, and no calibration")
    if portable:
        content = read_bytes(source)  # a standard file stays what it is, to the byte
        graph = read(content, str(source))
        findings = inspect(graph)
        if metadata is not None:
            return _written(_described(graph, metadata), path, portable, findings)
        write_bytes(path, content)
        return ConversionResult(path, len(content), findings + _remarks(graph, portable, findings))
    graph = read(source)
    if to == "lce":
        graph, findings = with_grouped_convolutions(with_signs_of_sources(to_binary_dense(graph))), ()
    else:
        graph, findings = to_w1a8(graph)
    return _written(_described(graph, metadata), path, portable, findings)


def _written(graph: Graph, path: Path, portable: bool, findings: tuple[Finding, ...]) -> ConversionResult:
    data = to_bytes(graph)
    try:
        litert_limits.check(data, str(path))
    except ModelFormatError as error:  # such as a range that training or calibration found to be next to nothing
        raise ModelFormatError(
            f"{error}; the file would not run, and is not written: give calibration inputs, or training, on which the "
            "layer and what it reads are not next to zero, take it out, or convert to float"
        ) from None
    write_bytes(path, data)
    return ConversionResult(path, len(data), findings + _remarks(graph, portable, findings))


def _remarks(graph: Graph, portable: bool, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Lint's on the file, but for rules already among ``findings``, and for what a portable file is meant to be."""
    said = {finding.rule for finding in findings} | ({"binary-weights-in-int8"} if portable else set())
    return tuple(finding for finding in lint_graph(graph) if finding.rule not in said)


def _converted(
    source: str | Path | Any, to: Target, calibration: Calibration | None, portable: bool, imports: Sequence[str]
) -> tuple[Graph, tuple[Finding, ...]]:
    """What the file is to hold, and the findings that come before lint's on it."""
    converter_process.start()  # it loads TensorFlow while this process does
    from . import from_keras

    model = from_keras.load_model(str(source), imports) if isinstance(source, str | Path) else source
    inputs = from_keras.inputs(model)
    arrays = None if calibration is None else calibrating.in_order(calibration, inputs)
    findings = () if arrays is None else calibrating.check(arrays, inputs)
    findings += lint_keras(model, to)
    graph = from_keras.to_graph(model, "int8" if to == "w1a8" else to, arrays)
    if to == "lce":
        findings += lint_conversion(model, graph)
        becomes_int8 = arrays is not None and not from_keras.has_fake_quantization(model)
        graph = with_signs_of_sources(to_binary_dense(graph), becomes_int8=becomes_int8)
        graph = with_grouped_convolutions(graph)
        if arrays is not None and becomes_int8:
            graph = renamed(int8_around_binary(graph, arrays, from_keras.quantize), graph)
    if to in ("int8", "w1a8"):
        findings += lint_int8(model, graph)
    if to == "w1a8" and portable:
        findings += inspect(graph)
    elif to == "w1a8":
        graph, hindrances = to_w1a8(graph)
        findings += hindrances
    return graph, findings
