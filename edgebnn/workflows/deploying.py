"""A Keras model as the file that it is deployed as, and what that file takes on a target."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgebnn.converters.convert import Target as Format
from edgebnn.converters.convert import convert
from edgebnn.graph import counts
from edgebnn.graph.liveness import peak_arena_bytes
from edgebnn.graph.types import Array, DType, Graph
from edgebnn.preprocessing import preprocess
from edgebnn.targets.model_file import ModelFile, open_model

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    with tempfile.TemporaryDirectory(prefix="edgebnn-") as folder:
        path = Path(folder, "model.tflite")
        convert(model, path, to=to, calibration=calibration if to == "w1a8" else None)
        return ModelFile(model.name, path.read_bytes(), open_model(path).graph)


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
