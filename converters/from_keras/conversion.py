"""Keras models as .tflite graphs: traced in this process, converted in the converter process."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from edgebnn._tensorflow import keras
from edgebnn.converters import keras_names
from edgebnn.converters.converter_process import (
    FILE,
    JOB,
    SAVED_MODEL,
    ConversionError,
    ConverterCrashError,
    convert_in_child,
)
from edgebnn.converters.factors import representable
from edgebnn.converters.miscalibrated import is_miscalibrated
from edgebnn.converters.one_scale import requantized
from edgebnn.converters.post_training import int8_around_binary, with_int8_ends
from edgebnn.converters.quiet import captured
from edgebnn.converters.read_tflite import read
from edgebnn.converters.write_tflite import to_bytes
from edgebnn.errors import EdgebnnError, InputError, ModelFormatError, one_line
from edgebnn.graph.types import Array, Graph
from edgebnn.runtime import litert_limits
from edgebnn.user_modules import first_line

from .calls import Call, call_of, input_shapes
from .tracing import ControlFlow, Traced, save

Target = Literal["lce", "int8", "float"]

_SAME_SCALE = re.compile(r"'tfl\.(\w+)' op quantization .* same scale .*?f32, ([\d.e-]+).*?f32, ([\d.e-]+)")
"""What the converter says where an op that has one scale was given two, and which op and scales those are."""


def convert(model: Any, to: Target, calibration: Sequence[Array] | None = None) -> bytes:
    """:func:`to_graph` as the content of a .tflite file. Raises as that does."""
    return to_bytes(to_graph(model, to, calibration))


def to_graph(model: Any, to: Target, calibration: Sequence[Array] | None = None) -> Graph:
    """A Keras model as the .tflite file it is converted to, with its inputs and outputs in Keras' order and by the
    names that Keras knows them by.

    The model is traced in this process and converted in another one (:mod:`.converter_process`), which is given the
    traced graph: models of any class, by whatever code, can be converted, and no crash is worse than an error.

    Args:
        model: functional, sequential, or a subclassed one that has been called.
        to: ``"float"`` and ``"int8"`` are TensorFlow Lite's own conversions, int8 with int8 inputs and outputs;
            ``"lce"`` has the binary convolutions as ops of the Larq Compute Engine, and float inputs and outputs; what
            surrounds its binary convolutions is int8 where the model was trained with fake quantization, and float
            otherwise: :mod:`.post_training` calibrates it.
        calibration: for each input, in Keras' order, an array [samples, ...]; int8 needs it unless the model was
            trained with fake quantization. Ranges learnt in training are kept, whatever the calibration.

    Raises:
        InputError: the model or the calibration does not fit.
        EdgebnnError: conversion fails or crashes, naming the layer as far as it is known; or the file cannot be read
            back into the IR, and so not be run by edgebnn.
    """
    if to not in get_args(Target):
        raise InputError(f"cannot convert to '{to}'; choose one of {', '.join(get_args(Target))}")
    call = call_of(model)
    input_shapes(model)
    _check_recurrent(model)
    trained = has_fake_quantization(model)
    if to == "int8" and calibration is None and not trained:
        raise InputError(f"model '{model.name}': int8 needs calibration inputs, or fake quantization in training")
    samples = None if calibration is None or trained else [np.asarray(values) for values in calibration]
    with _workplace() as folder:
        traced = _hand_over(model, call, to, samples, folder)
        try:
            convert_in_child(folder)
        except ConversionError as error:
            if samples is not None and _SAME_SCALE.search(error.details):
                return _by_measured_ranges(to_graph(model, "float"), samples)
            raise _failure(model, to, error, traced.control_flow) from error
        content = (folder / FILE).read_bytes()
    where = f"model '{model.name}' converted to {to}"
    try:
        graph = read(content, where)
    except ModelFormatError as error:
        if not traced.control_flow:
            raise
        first = traced.control_flow[0]
        raise InputError(one_line(f"{_place(model, first.layer)}: {_explained_flow(first)}")) from error
    if to == "int8" and samples is not None and (is_miscalibrated(graph) or not _runs(content)):
        return _by_measured_ranges(to_graph(model, "float"), samples)
    return keras_names.named(representable(requantized(graph)) if to == "int8" else graph, call.names, traced.outputs)


def _runs(content: bytes) -> bool:
    """Whether LiteRT can be trusted with a file."""
    try:
        litert_limits.check(content, "model")
    except ModelFormatError:
        return False
    return True


def _by_measured_ranges(graph: Graph, samples: list[Array]) -> Graph:
    """The int8 form of a float file in which tensors of one scale have a range that holds them all. TensorFlow Lite's
    own calibration gives a SELECT_V2 two scales, where a result that a mask chooses is kept for the next step, and then
    refuses it; what is zero on all samples gets a scale so fine that LiteRT's kernels refuse what is made of it; and
    see :mod:`.miscalibrated`."""
    return keras_names.renamed(with_int8_ends(int8_around_binary(graph, samples, quantize)), graph)


def quantize(content: bytes) -> bytes:
    """The int8 form of a float .tflite file that holds the ranges of its tensors, by TensorFlow Lite's quantizer.

    Args:
        content: of the file.

    Returns:
        The content of the quantized file. Inputs and outputs, and ops that TensorFlow Lite has no int8 kernels for,
        stay float.

    Raises:
        EdgebnnError: the quantizer fails or crashes.
    """
    with _workplace() as folder:
        (folder / FILE).write_bytes(content)
        (folder / JOB).write_text(json.dumps({"to": "quantized"}))
        try:
            convert_in_child(folder)
        except ConversionError as error:
            reason = re.search(r"error: (.+)", error.details)
            raise EdgebnnError(
                one_line(f"TensorFlow Lite's quantizer failed ({reason[1] if reason else error})")
            ) from error
        return (folder / FILE).read_bytes()


@contextmanager
def _workplace() -> Iterator[Path]:
    """A folder for a conversion. Raises EdgebnnError where files of its size cannot be written."""
    try:
        with tempfile.TemporaryDirectory(prefix="edgebnn-") as folder:
            yield Path(folder)
    except OSError as error:
        place = tempfile.gettempdir()
        raise EdgebnnError(
            f"temporary files cannot be written to {place} ({error.strerror or error}); name another folder in TMPDIR"
        ) from error


def _hand_over(model: Any, call: Call, to: Target, samples: list[Array] | None, folder: Path) -> Traced:
    """Writes what the converter process needs; returns what is known of the model."""
    with captured() as chatter:
        try:
            traced = save(model, call, folder / SAVED_MODEL, binary=to == "lce")
        except EdgebnnError:
            raise
        except Exception as error:  # of any class: it runs the user's code
            failure = ConversionError(first_line(error), f"{error}\n{chatter()}")
            raise _failure(model, to, failure) from error
    for position, (values, spec) in enumerate(zip(samples or [], call.specs, strict=samples is not None)):
        np.save(folder / f"{keras_names.key(position)}.npy", values.astype(spec.dtype.as_numpy_dtype))
    job = {"to": to, "inputs": len(call.specs), "batch": call.specs[0].shape[0] or 1, "calibrated": samples is not None}
    (folder / JOB).write_text(json.dumps(job))
    return traced


def _failure(model: Any, to: Target, error: ConversionError, control_flow: Sequence[ControlFlow] = ()) -> EdgebnnError:
    """``control_flow``: of the model; where no other layer is named, it is what the converter failed at."""
    text = f"{error}\n{error.details}"
    layer = _layer_named_in(text, model)
    flow = next((one for one in control_flow if layer in (None, one.layer)), None)
    where = _place(model, flow.layer if flow else layer or "")
    if isinstance(error, ConverterCrashError):
        remedy = _explained_flow(flow) if flow else "try --to float, or layers of another kind"
        return EdgebnnError(
            one_line(f"{where}: TensorFlow's converter crashed on conversion to {to}: {error}; {remedy}")
        )
    if flow:
        return InputError(one_line(f"{where}: {_explained_flow(flow)}"))
    reason = re.search(r"error: (.+)", text)
    why = _explained(reason[1]) if reason else error
    return EdgebnnError(one_line(f"{where}: conversion to {to} failed ({why})"))


def _place(model: Any, layer: str) -> str:
    return f"model '{model.name}'" + (f", layer '{layer}'" if layer else "")


_INSTEAD = {
    "While": "write a loop of a known length out, step by step, and tf.map_fn as ops on all samples at once",
    "If": "compute both branches and choose by tf.where",
    "Case": "compute all branches and choose by tf.where",
}


def _explained_flow(flow: ControlFlow) -> str:
    """What is wrong with control flow, and what to do."""
    return (
        f"it decides while it runs what is computed ({flow.op}), which edgebnn's files do not hold; {_INSTEAD[flow.op]}"
    )


def _explained(reason: str) -> str:
    """A converter's reason in words, where it is about ranges that fake quantization has learnt."""
    found = _SAME_SCALE.search(reason)
    if found is None:
        return reason
    kind, one, other = found.groups()
    return (
        f"{kind} has one scale for all that it reads and gives, but fake quantization gave these steps of "
        f"{float(one):.3g} and {float(other):.3g}; train them with one range, or convert the model without fake "
        "quantization, with calibration inputs"
    )


def _check_recurrent(model: Any) -> None:
    """Refuses recurrent layers that cannot be written out step by step (:mod:`.tracing`), or whose state outlives a
    call."""
    layers = keras.layers
    for layer in model.submodules:
        if not isinstance(layer, layers.RNN):
            continue
        where = f"model '{model.name}', layer '{layer.name}'"
        if layer.stateful:
            raise InputError(
                f"{where}: keeps its state from call to call, which no converted file does; build it with "
                "stateful=False, and with its state as an input and an output (initial_state, return_state=True)"
            )
        if isinstance(layer, layers.ConvLSTM1D | layers.ConvLSTM2D | layers.ConvLSTM3D):
            raise InputError(
                f"{where}: is a loop that Keras cannot unroll; call its cell once a step (layer.cell(step, states))"
            )


def _layer_named_in(text: str, model: Any) -> str | None:
    """The first layer that stands in a converter's message, as in ``model/layer/op``."""
    places = {layer.name: re.search(rf"/{re.escape(layer.name)}/", text) for layer in model.layers}
    return min(((match.start(), name) for name, match in places.items() if match), default=(0, None))[1]


def has_fake_quantization(model: Any) -> bool:
    """Whether the model was trained with fake quantization: TF-MOT's wrappers, or fake_quant ops of its own."""
    layers = [layer for layer in model.submodules if isinstance(layer, keras.layers.Layer)]
    return any(
        re.search("fake_quant", layer.name) or re.match("Quantize.*Wrapper", type(layer).__name__) for layer in layers
    )
