"""A Keras model as the file that it is deployed as, and what that file takes on a target."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgebnn.converters.calibration import Calibration
from edgebnn.converters.convert import Target as Format
from edgebnn.converters.convert import convert, is_tflite
from edgebnn.converters.findings import Finding
from edgebnn.errors import EdgebnnError, InputError
from edgebnn.graph import counts
from edgebnn.graph.liveness import peak_arena_bytes
from edgebnn.graph.types import Array, DType, Graph
from edgebnn.preprocessing import preprocess
from edgebnn.targets.model_file import ModelFile, open_model

if TYPE_CHECKING:
    from edgebnn.pruning.channels.layers import LayerShape

STANDARD_LAYERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
CALIBRATION_IMAGES = 64
"""For files that are only measured: what the ranges are does not change what a network costs."""
CALIBRATION_SAMPLES = 256


def calibration_samples(images: Array, size: tuple[int, int] | None = None) -> Array:
    """Some of ``images`` (uint8 [N, H, W, C]), spread over all of them, preprocessed as in training."""
    return preprocess(images[:: max(1, len(images) // CALIBRATION_SAMPLES)][:CALIBRATION_SAMPLES], size)


def format_of(layers: Sequence[LayerShape]) -> Format:
    """What a network of such layers is converted to: what its most binary layer needs."""
    precisions = {layer.precision for layer in layers}
    if "w1a1" in precisions:
        return "lce"
    return "w1a8" if "w1a8" in precisions else "float"


def deployed(model: Any, to: Format, calibration: Array | None = None) -> ModelFile:
    """``model`` (Keras) converted to ``to``, in memory.

    ``calibration``: inputs as the network takes them, needed for ``"w1a8"`` unless the model was trained with fake
    quantization. Raises what :func:`edgebnn.converters.convert.convert` raises.
    """
    return _converted(model, model.name, to, calibration if to == "w1a8" else None)[0]


def file_of(
    model: str, to: Format | None = None, calibration: Calibration | None = None, imports: Sequence[str] = ()
) -> tuple[ModelFile, tuple[Finding, ...]]:
    """The file that the user's ``model`` is deployed as, in memory: the .tflite file that it is, or what converting the
    Keras model would write.

    Args:
        model: a .tflite file, or as :func:`edgebnn.converters.convert.convert` takes Keras models.
        to: what a Keras model is converted to, by default ``"lce"``.
        calibration: typical inputs of a Keras model.
        imports: modules that define what a saved Keras model is made of beside Keras' and Larq's layers.

    Returns:
        The file, and what converting found; nothing for a .tflite file.

    Raises:
        InputError: there is no such model, or a .tflite file is to be converted.
        EdgebnnError: as opening and converting do; a Keras model where TensorFlow is not installed.
    """
    if is_tflite(model):
        if to or calibration is not None or imports:
            raise InputError(f"{model}: is a .tflite file, which is taken as it is: only Keras models are converted")
        return open_model(model), ()
    if not os.path.exists(model) and ":" not in model:
        raise InputError(f"{model}: no such file; give a .tflite file, a saved Keras model or package.module:function")
    try:
        import_module("edgebnn.converters.from_keras")
    except EdgebnnError as error:
        raise EdgebnnError(f"{model}: is no .tflite file, and for Keras models {error}") from error
    return _converted(model, model, to or "lce", calibration, imports)


def _converted(
    source: Any, name: str, to: Format, calibration: Calibration | None, imports: Sequence[str] = ()
) -> tuple[ModelFile, tuple[Finding, ...]]:
    with tempfile.TemporaryDirectory(prefix="edgebnn-") as folder:
        path = Path(folder, "model.tflite")
        found = convert(source, path, to=to, calibration=calibration, imports=imports)
        return ModelFile(name, path.read_bytes(), open_model(path).graph), found.findings


def resources(graph: Graph) -> Mapping[str, float]:
    """What does not depend on a target: ``flash``, bytes of all constants (a runtime's code comes on top); ``ram``,
    bytes of the arena for activations (exact, see :mod:`edgebnn.graph.liveness`); and int8 multiply-accumulates."""
    return {
        "flash": counts.weight_bytes(graph),
        "ram": peak_arena_bytes(graph),
        "int8_macs": counts.macs(graph).int8,
    }


def becomes_int8(file: ModelFile) -> bool:
    """Whether most layers whose weights are not binary compute in int8, as conversion to W1A8 leaves them."""
    graph = file.graph
    inputs = [graph.tensors[op.inputs[0]].dtype for op in graph.ops if op.kind in STANDARD_LAYERS]
    return 2 * inputs.count(DType.INT8) > len(inputs)


def passes_signs_on(file: ModelFile) -> bool:
    """Whether most of the binary convolutions give packed signs, which the next takes, rather than floats."""
    graph = file.graph
    outputs = [graph.tensors[op.outputs[0]].dtype for op in graph.ops if op.kind == "LceBconv2d"]
    return 2 * outputs.count(DType.INT32) > len(outputs)
