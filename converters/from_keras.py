"""Keras models in, .tflite files out, by the converters of LCE and TensorFlow Lite.

The only module of this room that imports TensorFlow; importing it raises EdgebnnError where the training extra is
missing.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import sysconfig
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from edgebnn._tensorflow import keras, lq, tf
from edgebnn.errors import EdgebnnError, InputError, one_line
from edgebnn.graph.types import Array, Shape

from .quiet import captured

Target = Literal["lce", "int8", "float"]

# What Keras and the converters raise on models they cannot handle. TensorFlow is loaded by now, the right way.
_LIBRARY_ERRORS = (
    importlib.import_module("tensorflow.lite.python.convert").ConverterError,
    tf.errors.OpError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)


# -- loading --


def load_model(spec: str) -> Any:
    """The Keras model that ``spec`` names: a .keras or .h5 file, a SavedModel folder, or ``package.module:function``.

    The function is called without arguments; modules of the current folder can be imported. Raises InputError saying
    what is missing.
    """
    path = Path(spec)
    if path.exists():
        return _saved(path)
    module, colon, function = spec.partition(":")
    if not colon or "/" in spec:
        raise InputError(f"{spec}: no such file; give a saved Keras model or package.module:function")
    return _built(spec, module, function)


def _saved(path: Path) -> Any:
    if path.is_dir() and not (path / "saved_model.pb").exists():
        raise InputError(f"{path}: is a folder without a saved_model.pb; give a .keras or .h5 file or a SavedModel")
    with _failing_as(f"{path}: cannot be loaded as a Keras model"):
        model = _with_larq_layers(keras.models.load_model(path, compile=False))
    return _checked(str(path), model)


def _built(spec: str, module: str, function: str) -> Any:
    folder = os.getcwd()
    sys.path.insert(0, folder)
    try:
        with _running_others(f"{spec}: the module {module} cannot be imported"):
            builder = getattr(importlib.import_module(module), function, None)
        if not callable(builder):
            raise InputError(f"{spec}: {module} has no function {function}")
        with _running_others(f"{spec}: the function failed"):
            model = builder()
    finally:
        sys.path.remove(folder)
    return _checked(spec, model)


def _checked(spec: str, model: Any) -> Any:
    if not isinstance(model, keras.Model):
        raise InputError(f"{spec}: gives {type(model).__name__}, not a Keras 2 model (tf_keras.Model)")
    return model


@contextmanager
def _failing_as(message: str) -> Iterator[None]:
    """What a library raises inside the block becomes one InputError."""
    try:
        yield
    except _LIBRARY_ERRORS as error:
        raise InputError(one_line(f"{message} ({_first_line(error)})")) from error


@contextmanager
def _running_others(message: str) -> Iterator[None]:
    """What a user's module raises inside the block becomes one InputError that says where it was raised."""
    try:
        yield
    except EdgebnnError:
        raise
    # The code is the user's, and so may be the class: only the bases of all exceptions cover what it can raise.
    except (Exception, SystemExit) as error:
        raise InputError(one_line(f"{message} ({_first_line(error)}{_place(error)})")) from error


def _place(error: BaseException) -> str:
    """File and line of the user's that raised: the innermost that is no installed library, as far as there is one."""
    if isinstance(error, SyntaxError):
        return f"; {error.filename}, line {error.lineno}"
    paths = sysconfig.get_paths()
    installed = tuple({os.path.join(paths[key], "") for key in ("stdlib", "platstdlib", "purelib", "platlib")})
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if os.path.isfile(frame.filename) and frame.filename != __file__
    ]
    own = [frame for frame in frames if not frame.filename.startswith(installed)]
    return "".join(f"; {place.filename}, line {place.lineno}, in {place.name}" for place in (own or frames)[-1:])


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0].strip()}" if lines else type(error).__name__


# -- converting --


def input_shapes(model: Any) -> tuple[Shape, ...]:
    """Shapes of the model's inputs without the batch. Raises InputError where they are not all known."""
    if not model.inputs:
        raise InputError(f"model '{model.name}' is not built; call model.build(input_shape) or give it an Input layer")
    shapes = tuple(tuple(tensor.shape[1:]) for tensor in model.inputs)
    for tensor, shape in zip(model.inputs, shapes, strict=True):
        if None in shape:
            raise InputError(
                f"model '{model.name}': input '{tensor.name}' has the open shape {list(shape)}; fix its size"
            )
    return shapes


def convert(model: Any, to: Target, calibration: Sequence[Array] | None = None) -> bytes:
    """The .tflite file of a Keras model.

    ``"float"`` and ``"int8"`` are TensorFlow Lite's own conversions, int8 with int8 inputs and outputs; ``"lce"`` has
    the binary convolutions as ops of the Larq Compute Engine, and float inputs and outputs. int8 wants ``calibration``
    (for each input a float array [samples, ...]) unless the model was trained with fake quantization. What surrounds
    the binary convolutions of an LCE file is int8 where the model was trained with fake quantization, and float
    otherwise: :mod:`.post_training` calibrates it. Ranges learnt in training are kept, whatever the calibration.

    Raises InputError if the model or the calibration does not fit, EdgebnnError naming the layer if conversion fails.
    """
    if to not in get_args(Target):
        raise InputError(f"cannot convert to '{to}'; choose one of {', '.join(get_args(Target))}")
    input_shapes(model)
    trained = has_fake_quantization(model)
    if to == "int8" and calibration is None and not trained:
        raise InputError(f"model '{model.name}': int8 needs calibration inputs, or fake quantization in training")
    samples = None if calibration is None or trained else [np.asarray(values, np.float32) for values in calibration]
    if to == "lce":
        return _converted(model, to, lambda: _lce(model))
    return _converted(model, to, lambda: _tflite(model, to, samples))


def has_fake_quantization(model: Any) -> bool:
    """Whether the model was trained with fake quantization: TF-MOT's wrappers, or fake_quant ops of its own."""
    layers = [layer for layer in model.submodules if isinstance(layer, keras.layers.Layer)]
    return any(
        re.search("fake_quant", layer.name) or re.match("Quantize.*Wrapper", type(layer).__name__) for layer in layers
    )


def quantize(content: bytes) -> bytes:
    """The int8 form of a float .tflite file that holds the ranges of its tensors, by TensorFlow Lite's quantizer.

    Inputs and outputs, and ops that TensorFlow Lite has no int8 kernels for, stay float. Raises EdgebnnError if it
    fails.
    """
    with captured() as output:
        try:
            return bytes(importlib.import_module("tensorflow.lite.python.convert").mlir_quantize(content))
        except _LIBRARY_ERRORS as error:
            text = f"{error}\n{output()}"
    reason = re.search(r"error: (.+)", text)
    raise EdgebnnError(one_line(f"TensorFlow Lite's quantizer failed ({reason[1] if reason else text})"))


def _lce(model: Any) -> bytes:
    try:
        from larq_compute_engine import convert_keras_model
    except ImportError as error:
        raise EdgebnnError(
            f"LCE's converter is missing ({error}): pip install larq-compute-engine (x86-64 Linux)"
        ) from None
    with _weights_quantized(model):
        return bytes(convert_keras_model(model))


def _tflite(model: Any, to: Target, samples: list[Any] | None) -> bytes:
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if to == "int8":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        if samples is not None:
            converter.representative_dataset = lambda: (
                [x[None] for x in sample] for sample in zip(*samples, strict=True)
            )
    with _weights_quantized(model):
        return bytes(converter.convert())


@contextmanager
def _weights_quantized(model: Any) -> Iterator[None]:
    """Within it latent weights have the values that their quantizers give them, and no quantizer.

    TensorFlow computes what depends on constants alone only up to 128 MiB of them (2.16, tried: 127.75 MiB are folded,
    128.25 are not). Larger weights would be quantized at every inference, from latent ones that take 32 bits each.
    """
    kind = lq.quantized_variable.QuantizedVariable
    variables = {id(v): v for v in model.weights if isinstance(v, kind) and v.quantizer is not None}
    latent = [(v, v.quantizer, v.latent_variable.numpy()) for v in variables.values()]
    try:
        for variable, quantizer, values in latent:
            variable.latent_variable.assign(quantizer(tf.constant(values)))
            variable.quantizer = None
        yield
    finally:
        for variable, quantizer, values in latent:
            variable.quantizer = quantizer
            variable.latent_variable.assign(values)


def _converted(model: Any, to: Target, run: Callable[[], bytes]) -> bytes:
    with captured() as chatter:
        try:
            return run()
        except EdgebnnError:
            raise
        except _LIBRARY_ERRORS as error:
            failure, text = error, f"{error}\n{chatter()}"
    layer = _layer_named_in(text, model)
    where = f"model '{model.name}'" + (f", layer '{layer}'" if layer else "")
    reason = re.search(r"error: (.+)", text)
    why = _explained(reason[1]) if reason else _first_line(failure)
    raise EdgebnnError(f"{where}: conversion to {to} failed ({why})") from failure


def _explained(reason: str) -> str:
    """A converter's reason in words, where it is about ranges that fake quantization has learnt."""
    found = re.search(r"'tfl\.(\w+)' op quantization .* same scale .*?f32, ([\d.e-]+).*?f32, ([\d.e-]+)", reason)
    if found is None:
        return reason
    kind, one, other = found.groups()
    return (
        f"{kind} has one scale for all that it reads and gives, but fake quantization gave these steps of "
        f"{float(one):.3g} and {float(other):.3g}; train them with one range, or convert the model without fake "
        "quantization, with calibration inputs"
    )


def _layer_named_in(text: str, model: Any) -> str | None:
    """The layer whose name comes first in a converter's message, as in ``model/layer/op``."""
    places = {layer.name: re.search(rf"/{re.escape(layer.name)}/", text) for layer in model.layers}
    return min(((match.start(), name) for name, match in places.items() if match), default=(0, None))[1]


# -- Larq's layers in SavedModels --

_QUANTIZERS = ("input_quantizer", "kernel_quantizer", "depthwise_quantizer", "pointwise_quantizer")
_MULTIPLYING = ("Conv2D", "DepthwiseConv2dNative", "MatMul", "Conv3D", "Conv2DBackpropInput")
_SHAPING = ("Identity", "IdentityN", "Pad", "PadV2", "ExpandDims", "SpaceToBatchND", "Reshape")


def _with_larq_layers(model: Any) -> Any:
    """``model`` with Larq's own layers where a SavedModel was loaded without the code of their quantizers.

    Keras then runs the graph that was saved, in which nobody can tell latent weights from binary ones. What the
    quantizers compute is taken from that graph.
    """
    if not isinstance(model, keras.Sequential) and not getattr(model, "_is_graph_network", False):
        return model
    if not any(_is_revived_larq(layer) for layer in model.submodules):
        return model

    def change(layer: Any) -> Any:
        if _is_revived_larq(layer):
            return _larq_layer(layer)
        if isinstance(layer, keras.Model):
            return _with_larq_layers(layer)
        return type(layer).from_config(layer.get_config())

    copy = keras.models.clone_model(model, clone_function=change)
    for layer in model.layers:
        copy.get_layer(layer.name).set_weights(layer.get_weights())
    return copy


def _is_revived_larq(layer: Any) -> bool:
    kind = type(layer)
    return kind.__module__.endswith("saved_model.load") and hasattr(lq.layers, kind.__name__)


def _larq_layer(revived: Any) -> Any:
    """The layer of Larq's that ``revived`` was, by its configuration and its graph."""
    config = revived.get_config()
    for name in _QUANTIZERS:
        given = config.get(name)
        if isinstance(given, str) or (isinstance(given, dict) and given.get("class_name") not in vars(lq.quantizers)):
            # A function's name says nothing: another one of Larq's may have it.
            label = given if isinstance(given, str) else str(given.get("class_name"))
            config[name] = _saved_quantizer(revived, name, label)
    return getattr(lq.layers, type(revived).__name__)(**config)


def _saved_quantizer(revived: Any, which: str, name: str) -> Callable[[Any], Any]:
    """A quantizer as the part of a layer's graph from its input or its weights to the product of both.

    Raises InputError where there is no such part.
    """
    freeze = importlib.import_module("tensorflow.python.framework.convert_to_constants")
    saved = revived._serialized_attributes["__call__"].concrete_functions[0]
    graph = freeze.convert_variables_to_constants_v2(saved, lower_control_flow=False)
    products = [op for op in graph.graph.get_operations() if op.type in _MULTIPLYING]
    operand = 0 if which == "input_quantizer" else 1
    product = products[-1 if which == "pointwise_quantizer" else 0] if products else None
    source = None if product is None else _source(product.inputs[operand], operand, revived)
    if product is None or source is None:
        raise InputError(
            f"layer '{revived.name}': its quantizer '{name}' is not in the SavedModel; give package.module:function"
        )
    result = product.inputs[operand]
    while operand == 0 and result.op.type in _SHAPING and result.op.type != "IdentityN" and result is not source:
        result = result.op.inputs[0]
    part = graph.prune([source], [result])

    def quantizer(x: Any) -> Any:
        return part(tf.convert_to_tensor(x))[0]

    quantizer.__name__ = name
    return quantizer


def _source(tensor: Any, operand: int, revived: Any) -> Any:
    """The input or the latent weights that ``tensor`` is computed from; None if neither is."""
    shapes = {tuple(weight.shape) for weight in revived.weights}
    waiting, seen = [tensor], set()
    while waiting:
        found = waiting.pop()
        if operand == 0 and found.op.type == "Placeholder":
            return found
        if operand == 1 and found.op.type == "Const" and tuple(found.shape) in shapes:
            return found
        if found.name not in seen:
            seen.add(found.name)
            waiting.extend(found.op.inputs)
    return None
