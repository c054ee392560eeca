"""Keras models in, .tflite files out, by the converters of LCE and TensorFlow Lite.

The only module of this room that imports TensorFlow; importing it raises EdgebnnError where the training extra is
missing. Models are loaded and traced here; the converters run in a process of their own (:mod:`.converter_process`),
of which this module is the program.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from edgebnn import user_modules
from edgebnn._tensorflow import keras, lq, tf
from edgebnn.errors import EdgebnnError, InputError, ModelFormatError, one_line
from edgebnn.graph.types import Array, Graph, Shape
from edgebnn.user_modules import first_line

from . import keras_names
from .converter_process import ConversionError, ConverterCrashError, convert_in_child, serve
from .keras_names import KerasInput
from .quiet import captured
from .read_tflite import read
from .write_tflite import to_bytes

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


def load_model(spec: str, imports: Sequence[str] = ()) -> Any:
    """The Keras model that ``spec`` names: a .keras or .h5 file, a SavedModel folder, or ``package.module:function``.

    Args:
        spec: the function is called without arguments; modules of the current folder can be imported.
        imports: modules that define what a saved model is made of beside Keras' and Larq's layers, to be imported
            before it is loaded; see :func:`edgebnn.user_modules.register`.

    Raises:
        InputError: saying what is missing, and what to give instead.
    """
    user_modules.register(imports, keras.utils.get_custom_objects())
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
    try:
        model = _with_larq_layers(keras.models.load_model(path, compile=False))
    except _LIBRARY_ERRORS as error:
        raise InputError(one_line(f"{path}: cannot be loaded as a Keras model ({_why_not_loaded(error)})")) from error
    return _checked(str(path), model)


_UNKNOWN = (
    r"Unknown (?P<kind>\w+): ['\"]?(?P<name>[\w>.]+)",
    r"Could not locate (?P<kind>class|function) ['\"](?P<name>[^'\"]+)",
    r"(?P<kind>\w+) ['\"](?P<name>[\w>.]+)['\"] (?:is not registered|was not found)",
)
"""How Keras says that it does not know what a file names."""


_LONGEST_CAUSE = 300  # characters: Keras prints whole configurations


def _why_not_loaded(error: BaseException) -> str:
    """The cause and the way out, out of the paragraphs that Keras raises."""
    text = " ".join(str(error).split())
    for pattern in _UNKNOWN:
        if found := re.search(pattern, text):
            return (
                f"unknown {found['kind'].lower()} '{found['name']}': name the module that defines it with --import, "
                "in Python load_model(imports=...), or give package.module:function"
            )
    if re.search("lambda", text, re.IGNORECASE) and re.search("safe_mode|unsafe|arbitrary code", text):
        return (
            "it has a Lambda layer, whose code is in the file and which Keras does not run unasked: give "
            "package.module:function, a function of yours that builds the model, or that returns "
            "tf_keras.models.load_model(file, safe_mode=False) if you trust the file"
        )
    return (
        f"{first_line(error)[:_LONGEST_CAUSE]}; if it has layers, quantizers or functions of your own, name the module "
        "that defines them with --import, in Python load_model(imports=...), or give package.module:function"
    )


def _built(spec: str, module: str, function: str) -> Any:
    builder = getattr(user_modules.imported(module, spec), function, None)
    if not callable(builder):
        raise InputError(f"{spec}: {module} has no function {function}")
    with user_modules.on_path(), user_modules.running_others(f"{spec}: the function failed"):
        model = builder()
    return _checked(spec, model)


def _checked(spec: str, model: Any) -> Any:
    if not isinstance(model, keras.Model):
        raise InputError(f"{spec}: gives {type(model).__name__}, not a Keras 2 model (tf_keras.Model)")
    return model


# -- what a model takes and gives --


@dataclass(frozen=True)
class _Call:
    """How a model is called: positional and keyword arguments, nested as it takes them, with a TensorSpec for each
    tensor and None for what was no tensor; and the names of the tensors, in Keras' order."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    names: tuple[str, ...]

    @property
    def specs(self) -> list[Any]:
        return [leaf for leaf in tf.nest.flatten((self.args, self.kwargs)) if leaf is not None]

    def filled(self, tensors: Sequence[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments with ``tensors``, in Keras' order, in their places."""
        left = iter(tensors)
        args, kwargs = tf.nest.map_structure(
            lambda spec: None if spec is None else next(left), (self.args, self.kwargs)
        )
        return args, kwargs


def _call(model: Any) -> _Call:
    """Raises InputError for a model that has neither inputs nor been called."""
    if model.inputs:
        # A Sequential model without an Input layer has the batch of the first call, which means nothing.
        open_batch = isinstance(model, keras.Sequential) and not model._has_explicit_input_shape
        nested = tf.nest.pack_sequence_as(model._nested_inputs, [_spec(tensor, open_batch) for tensor in model.inputs])
        return _Call((nested,), {}, keras_names.names(nested, model.input_names))
    saved = model.save_spec()
    if saved is None:
        raise InputError(
            f"model '{model.name}' is not built: call model.build(input_shape) or give it an Input layer; call a "
            "subclassed model once with arrays of the right shapes"
        )
    args, kwargs = tf.nest.map_structure(lambda leaf: None if leaf is None else _spec(leaf), saved)
    parameters = list(inspect.signature(model.call).parameters)
    places = [*(parameters[min(i, len(parameters) - 1)] for i in range(len(args))), *sorted(kwargs)]
    nested = [*args, *(kwargs[name] for name in sorted(kwargs))]
    own = [
        place if leaf is argument else getattr(leaf, "name", None) or place
        for place, argument in zip(places, nested, strict=True)
        for leaf in tf.nest.flatten(argument)
    ]
    found = zip(tf.nest.flatten(nested), keras_names.names(nested, own), strict=True)
    return _Call(tuple(args), kwargs, tuple(name for leaf, name in found if leaf is not None))


def _spec(tensor: Any, open_batch: bool = False) -> Any:
    """Keras takes float64 arrays, and computes in float32."""
    shape = [None, *tensor.shape[1:]] if open_batch else tensor.shape
    return tf.TensorSpec(
        shape, tf.float32 if tensor.dtype == tf.float64 else tensor.dtype, getattr(tensor, "name", None)
    )


def inputs(model: Any) -> tuple[KerasInput, ...]:
    """The model's inputs in Keras' order: that of ``model.inputs``, or of the call of a subclassed model.

    Raises:
        InputError: the model is not built, or the size of an input is open.
    """
    call, found = _call(model), []
    for name, spec in zip(call.names, call.specs, strict=True):
        shape = tuple(spec.shape[1:])
        if None in shape:
            raise InputError(f"model '{model.name}': input '{name}' has the open shape {list(shape)}; fix its size")
        found.append(KerasInput(name, shape, spec.dtype.name))
    return tuple(found)


def input_shapes(model: Any) -> tuple[Shape, ...]:
    """Shapes of the model's inputs without the batch, in Keras' order. Raises as :func:`inputs` does."""
    return tuple(one.shape for one in inputs(model))


# -- converting --


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
    call = _call(model)
    input_shapes(model)
    trained = has_fake_quantization(model)
    if to == "int8" and calibration is None and not trained:
        raise InputError(f"model '{model.name}': int8 needs calibration inputs, or fake quantization in training")
    samples = None if calibration is None or trained else [np.asarray(values) for values in calibration]
    with tempfile.TemporaryDirectory(prefix="edgebnn-") as folder:
        outputs = _hand_over(model, call, to, samples, Path(folder))
        try:
            convert_in_child(Path(folder))
        except ConversionError as error:
            raise _failure(model, to, error) from error
        content = Path(folder, _FILE).read_bytes()
    where = f"model '{model.name}' converted to {to}"
    try:
        return keras_names.named(read(content, where), call.names, outputs)
    except ModelFormatError as error:
        raise ModelFormatError(one_line(f"{error}{_recurrent(model)}")) from error


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
    with tempfile.TemporaryDirectory(prefix="edgebnn-") as name:
        folder = Path(name)
        (folder / _FILE).write_bytes(content)
        (folder / _JOB).write_text(json.dumps({"to": "quantized"}))
        try:
            convert_in_child(folder)
        except ConversionError as error:
            reason = re.search(r"error: (.+)", error.details)
            raise EdgebnnError(
                one_line(f"TensorFlow Lite's quantizer failed ({reason[1] if reason else error})")
            ) from error
        return (folder / _FILE).read_bytes()


_FILE, _MODEL, _JOB = "model.tflite", "saved_model", "job.json"
"""In the folder that goes to the converter process: what it writes, and what it is given."""


def _hand_over(model: Any, call: _Call, to: Target, samples: list[Array] | None, folder: Path) -> tuple[str, ...]:
    """Writes what the converter process needs; returns the names of the model's outputs."""
    with captured() as chatter:
        try:
            with _weights_quantized(model), _dilated_in_one_op(model):
                outputs = _save(model, call, folder / _MODEL)
        except EdgebnnError:
            raise
        except _LIBRARY_ERRORS as error:
            failure = ConversionError(first_line(error), f"{error}\n{chatter()}")
            raise _failure(model, to, failure) from error
    for position, (values, spec) in enumerate(zip(samples or [], call.specs, strict=samples is not None)):
        np.save(folder / f"{keras_names.key(position)}.npy", values.astype(spec.dtype.as_numpy_dtype))
    job = {"to": to, "inputs": len(call.specs), "batch": call.specs[0].shape[0] or 1, "calibrated": samples is not None}
    (folder / _JOB).write_text(json.dumps(job))
    return _output_names(model, outputs)


def _save(model: Any, call: _Call, folder: Path) -> Any:
    """Saves a SavedModel whose arguments and results are keyed by position; returns the results, nested as they are."""
    nested: list[Any] = []
    takes_training = "training" in inspect.signature(model.call).parameters

    def traced(*tensors: Any) -> dict[str, Any]:
        args, kwargs = call.filled(tensors)
        result = model(*args, **kwargs, **({"training": False} if takes_training else {}))
        nested.append(result)
        flat = [leaf for leaf in tf.nest.flatten(result) if leaf is not None]
        return {keras_names.key(position): leaf for position, leaf in enumerate(flat)}

    specs = [
        tf.TensorSpec(spec.shape, spec.dtype, keras_names.key(position)) for position, spec in enumerate(call.specs)
    ]
    function = tf.function(traced, input_signature=specs).get_concrete_function()
    root = tf.Module()
    own = [getattr(variable, "latent_variable", variable) for variable in model.variables]
    root.kept = list({id(v): v for v in (*function.graph.variables, *own)}.values())
    options = tf.saved_model.SaveOptions(save_debug_info=True)
    tf.saved_model.save(root, str(folder), signatures={keras_names.SIGNATURE: function}, options=options)
    return nested[-1]


def _output_names(model: Any, nested: Any) -> tuple[str, ...]:
    """Keras' own, or as it would number those of a subclassed model."""
    flat = tf.nest.flatten(nested)
    named = list(model.output_names or ())
    own = named if len(named) == len(flat) else [f"output_{number}" for number in range(1, len(flat) + 1)]
    found = zip(flat, keras_names.names(nested, own), strict=True)
    return tuple(name for leaf, name in found if leaf is not None)


def _failure(model: Any, to: Target, error: ConversionError) -> EdgebnnError:
    text = f"{error}\n{error.details}"
    layer = _layer_named_in(text, model)
    where = f"model '{model.name}'" + (f", layer '{layer}'" if layer else "")
    if isinstance(error, ConverterCrashError):
        remedy = _recurrent(model) or "; try --to float, or layers of another kind"
        return EdgebnnError(one_line(f"{where}: TensorFlow's converter crashed on conversion to {to}: {error}{remedy}"))
    reason = re.search(r"error: (.+)", text)
    why = _explained(reason[1]) if reason else error
    return EdgebnnError(one_line(f"{where}: conversion to {to} failed ({why}){_recurrent(model)}"))


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


def _recurrent(model: Any) -> str:
    """What to do about recurrent layers, if there are any: as loops and states they crash converters, and the IR has
    neither."""
    names = [layer.name for layer in model.submodules if hasattr(layer, "unroll") and not layer.unroll]
    return f"; build the recurrent layer '{names[0]}' with unroll=True" if names else ""


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


@contextmanager
def _dilated_in_one_op(model: Any) -> Iterator[None]:
    """Within it a dilated convolution is one op of TensorFlow's, as it is one of TensorFlow Lite's.

    Keras reorders space into batch around it and back, which TensorFlow Lite's converter does not see through between
    fake quantization: convolution and batch norm would stay float.
    """
    plain = (keras.layers.Conv2D, lq.layers.QuantConv2D)
    layers = [one for one in model.submodules if type(one) in plain and max(one.dilation_rate) > 1]

    def direct(layer: Any) -> Callable[[Any, Any], Any]:
        padding = "VALID" if getattr(layer, "pad_values", 0) else layer.padding.upper()  # Larq pads before it
        return lambda x, kernel: tf.nn.conv2d(x, kernel, layer.strides, padding, dilations=layer.dilation_rate)

    for layer in layers:
        layer.convolution_op = direct(layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.convolution_op


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


# -- the converter process --


def convert_saved(folder: Path) -> None:
    """Converts what :func:`_hand_over` wrote. Raises ConversionError; EdgebnnError if a converter is missing."""
    job = json.loads((folder / _JOB).read_text())
    try:
        if job["to"] == "quantized":
            converting = importlib.import_module("tensorflow.lite.python.convert")
            content = bytes(converting.mlir_quantize((folder / _FILE).read_bytes()))
        else:
            content = _lce(folder) if job["to"] == "lce" else _tflite(folder, job)
    except _LIBRARY_ERRORS as error:
        raise ConversionError(first_line(error), str(error)) from error
    (folder / _FILE).write_bytes(content)


def _lce(folder: Path) -> bytes:
    try:
        from larq_compute_engine.mlir.python.converter import convert_saved_model
    except ImportError as error:
        raise EdgebnnError(
            f"LCE's converter is missing ({error}): pip install larq-compute-engine (x86-64 Linux)"
        ) from None
    return bytes(convert_saved_model(str(folder / _MODEL)))


def _tflite(folder: Path, job: dict[str, Any]) -> bytes:
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / _MODEL))
    if job["to"] == "int8":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        if job["calibrated"]:
            keys = [keras_names.key(position) for position in range(job["inputs"])]
            arrays = {key: np.load(folder / f"{key}.npy", mmap_mode="r") for key in keys}
            converter.representative_dataset = lambda: _batches(arrays, job["batch"])
    return bytes(converter.convert())


def _batches(arrays: dict[str, Array], batch: int) -> Iterator[dict[str, Array]]:
    """As many samples at a time as the model takes."""
    count = len(next(iter(arrays.values())))
    for start in range(0, count - batch + 1, batch):
        yield {key: np.ascontiguousarray(values[start : start + batch]) for key, values in arrays.items()}


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


if __name__ == "__main__":
    serve(convert_saved, int(sys.argv[1]))
