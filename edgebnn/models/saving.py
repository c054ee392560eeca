"""Whether a network comes back from a file as it was: in this process, and in others that import the same modules.

A .keras file has names and configurations, not code. What cannot be loaded again, or comes back as something else, is
found here by its layer, before anything is done with the network.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import re
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgebnn import user_modules
from edgebnn._tensorflow import keras, tf
from edgebnn.errors import InputError, one_line
from edgebnn.user_modules import Code, first_line

_KNOWN = ("builtins", "keras", "larq", "numpy", "tensorflow", "tf_keras")
"""Packages whose objects Keras finds by itself."""

# What Keras, and the classes of users, raise when a layer cannot be saved or made anew.
_FAILURES = (
    tf.errors.OpError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NotImplementedError,
    NameError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)

_REMEDY = (
    "define it at the top level of a module, with a get_config that holds all its arguments, and name the module with "
    "--import, in Python imports=[...], or give package.module:function"
)
_LAMBDA_REMEDY = (
    "call functions of TensorFlow on the tensors directly, as in tf.split(x, 2, axis=-1), or write a layer of your "
    "own, registered with keras.utils.register_keras_serializable"
)
_LONGEST = 200  # characters of a cause: Keras prints whole configurations


@dataclass(frozen=True)
class Fingerprint:
    """What must be the same of a layer wherever it is loaded: classes by module and name, and a digest of weights."""

    kind: str
    parts: tuple[str, ...]
    weights: str


def code(model: keras.Model, imports: Sequence[str] = ()) -> Code:
    """What it takes to load ``model``.

    Args:
        model: any Keras model.
        imports: modules that the user named; those that define what the model is made of are found by themselves.

    Raises:
        InputError: naming the layer, for a class or function of the program itself, which no other process can import.
    """
    modules = dict.fromkeys(imports)
    functions = False
    for path, layer in layers(model):
        if isinstance(layer, keras.layers.Lambda):
            functions = True
            modules.update(dict.fromkeys(_modules_of(layer.function)))
        for part in _foreign(layer):
            if part.__module__ == "__main__":
                raise InputError(
                    f"layer '{path}': {part.__qualname__} is defined in the program itself, which other processes "
                    "cannot import: move it to a module"
                )
            modules.setdefault(part.__module__)
    return Code(tuple(modules), functions)


def _modules_of(function: Any) -> tuple[str, ...]:
    """The module whose names a Lambda layer's function uses, where they are not those that Keras runs it with."""
    names = set(getattr(getattr(function, "__code__", None), "co_names", ()))
    used = names & set(getattr(function, "__globals__", ())) - set(vars(keras.src.layers.core.lambda_layer))
    module = getattr(function, "__module__", None) or "__main__"
    return (module,) if used and module.split(".")[0] not in (*_KNOWN, "__main__") else ()


def load(path: Path, needed: Code) -> keras.Model:
    """The network in a file of edgebnn's own, not compiled, after importing what it needs.

    Raises:
        InputError: a module cannot be imported, or the network not be loaded, naming the layer as far as it is known.
    """
    user_modules.register(needed.modules, keras.utils.get_custom_objects())
    try:
        return keras.models.load_model(path, compile=False, safe_mode=not needed.functions)
    except _FAILURES as error:
        raise _refusal(*_culprit(path, error, needed)) from error


def fingerprints(model: keras.Model) -> dict[str, Fingerprint]:
    """By the path of each layer, models inside the model included."""
    return {path: _fingerprint(layer) for path, layer in layers(model)}


def check_comes_back(model: keras.Model, needed: Code) -> None:
    """Save ``model``, load it in this process, and compare: classes, configurations, weights, and what layers compute.

    Raises:
        InputError: naming the layer that cannot be saved or loaded, or that comes back as another one.
    """
    with tempfile.TemporaryDirectory(prefix="edgebnn-") as folder:
        path = Path(folder, "model.keras")
        try:
            model.save(path)
        except _FAILURES as error:
            raise _refusal(*_unsaved(model, error)) from error
        loaded = load(path, needed)
    check_same(model, fingerprints(loaded))
    others = dict(layers(loaded))
    for name, layer in layers(model):
        _compare(name, layer, others[name])
    found = dict(_entries(loaded.get_config()))
    for name, entry in _entries(model.get_config()):
        if _plain(entry) != _plain(found[name]):
            raise _refusal(name, entry["class_name"], "it comes back called with other arguments")


def check_same(model: keras.Model, found: Mapping[str, Fingerprint]) -> None:
    """Raise InputError, naming the layer, if ``found`` are not the fingerprints of ``model``."""
    for path, expected in fingerprints(model).items():
        other = found.get(path)
        if other is None:
            raise _refusal(path, None, "it is not there")
        if (other.kind, other.parts) != (expected.kind, expected.parts):
            mine, theirs = (" ".join((one.kind, *one.parts)) for one in (expected, other))
            raise _refusal(path, None, f"it is made of {theirs} there, and of {mine} here")
        if other.weights != expected.weights:
            raise _refusal(path, None, "its weights are others")


def layers(model: keras.Model, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Each layer with its path, such as ``block/conv``; models inside the model are followed."""
    for layer in model.layers:
        path = f"{prefix}{layer.name}"
        if isinstance(layer, keras.Model):
            yield from layers(layer, f"{path}/")
        else:
            yield path, layer


def _foreign(layer: Any) -> list[Any]:
    """Classes and functions that a layer is made of and that are neither Keras' nor Larq's."""
    held: list[Any] = [type(layer)]
    if not isinstance(layer, keras.layers.Lambda):  # whose functions are saved as code
        for value in vars(layer).values():
            for one in _held(value):
                if inspect.isfunction(one) or inspect.isclass(one):
                    held.append(one)
                elif hasattr(one, "get_config"):
                    held.append(type(one))
    return [one for one in held if (getattr(one, "__module__", "") or "builtins").split(".")[0] not in _KNOWN]


def _held(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, list | tuple) else (value,)


def _fingerprint(layer: Any) -> Fingerprint:
    digest = hashlib.sha256()
    for array in layer.get_weights():
        digest.update(np.ascontiguousarray(array).tobytes())
    return Fingerprint(_name(type(layer)), tuple(sorted({_name(one) for one in _foreign(layer)})), digest.hexdigest())


def _name(thing: Any) -> str:
    return f"{thing.__module__}.{thing.__qualname__}"


def _compare(path: str, layer: Any, other: Any) -> None:
    """Raise InputError if a layer that came back is configured otherwise, or computes something else on noise."""
    if _plain(layer.get_config()) != _plain(other.get_config()):
        raise _refusal(path, layer, "it comes back with another configuration")
    node = next((node for node in layer._inbound_nodes if not node.is_input), None)
    if node is None:
        return
    try:
        arguments, options = _noise(node)
        expected, again = (_outputs(layer, arguments, options) for _ in range(2))
    except _FAILURES:  # such as a table whose rows the noise is not
        return
    try:
        found = _outputs(other, arguments, options)
    except _FAILURES as error:
        raise _refusal(path, layer, first_line(error)) from error
    if _alike(expected, again) and not _alike(expected, found):
        raise _refusal(path, layer, "it computes something else when it comes back")


def _noise(node: Any) -> tuple[Any, Any]:
    """The arguments of a call with one random sample in place of each tensor of Keras'."""
    rng = np.random.default_rng(0)

    def sample(tensor: Any) -> Any:
        shape = [1 if size is None else size for size in tensor.shape]
        values = rng.normal(size=shape) if tensor.dtype.is_floating else rng.integers(0, 2, shape)
        return tf.cast(values, tensor.dtype)

    samples = {id(tensor): sample(tensor) for tensor in node.keras_inputs}
    given = (node.call_args, node.call_kwargs)
    arguments, options = tf.nest.map_structure(lambda leaf: samples.get(id(leaf), leaf), given)
    return arguments, options


def _outputs(layer: Any, arguments: Any, options: Any) -> list[Any]:
    expects = "training" in inspect.signature(layer.call).parameters
    results = layer(*arguments, **{**options, **({"training": False} if expects else {})})
    return [np.asarray(leaf) for leaf in tf.nest.flatten(results)]


def _alike(some: Sequence[Any], others: Sequence[Any]) -> bool:
    """Within what the order of sums may change."""
    return len(some) == len(others) and all(
        one.shape == other.shape and np.allclose(one, other, rtol=1e-4, atol=1e-5, equal_nan=True)
        for one, other in zip(some, others, strict=True)
    )


def _plain(config: Any) -> str:
    """A configuration as text that says the same before and after it was in a file."""

    def text(value: Any) -> Any:
        if isinstance(value, np.ndarray | np.generic):
            return value.tolist()
        as_list = getattr(value, "as_list", None)
        if callable(as_list):
            return as_list()
        return _name(value if hasattr(value, "__qualname__") else type(value))

    return json.dumps(_lasting(config), sort_keys=True, default=text)


def _lasting(config: Any) -> Any:
    """Without what says how a layer was built, and the code of functions, whose bytes differ for equal ones."""
    if isinstance(config, Mapping):
        passing = {"build_config", "build_input_shape", *(("function", "module") if "function_type" in config else ())}
        return {str(key): _lasting(value) for key, value in config.items() if key not in passing}
    return [_lasting(value) for value in config] if isinstance(config, list | tuple) else config


def _unsaved(model: keras.Model, error: BaseException) -> tuple[str, Any, str]:
    """The layer that cannot be saved, and why."""
    for path, layer in layers(model):
        try:
            keras.saving.serialize_keras_object(layer)
        except _FAILURES as cause:
            return path, layer, first_line(cause)
    return model.name, None, first_line(error)


def _culprit(path: Path, error: BaseException, needed: Code) -> tuple[str, Any, str]:
    """The layer of a file that cannot be loaded, and why."""
    called = re.search(r"calling layer ['\"]([^'\"]+)['\"] \(type (\w+)", str(error))
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile):
        return path.name, None, first_line(error)
    for name, entry in _entries(config["config"]):
        if called and name.split("/")[-1] == called[1]:
            return name, entry["class_name"], _cause(error)
        try:
            keras.saving.deserialize_keras_object(
                {key: value for key, value in entry.items() if key != "inbound_nodes"}, safe_mode=not needed.functions
            )
        except _FAILURES as cause:
            return name, entry["class_name"], _cause(cause)
    return path.name, None, _cause(error)


def _entries(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    for entry in config.get("layers", ()):
        name = f"{prefix}{entry['config'].get('name', entry.get('name'))}"
        if "layers" in entry["config"]:
            yield from _entries(entry["config"], f"{name}/")
        else:
            yield name, entry


def _cause(error: BaseException) -> str:
    """What happened, without the heading that Keras puts before it."""
    text = str(error).rpartition("Exception encountered: ")[2]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if lines and lines[0].startswith("Exception encountered"):
        lines = lines[1:]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _refusal(path: str, layer: Any, cause: str) -> InputError:
    """``layer``: a layer, the name of its class, or None."""
    kind = layer if isinstance(layer, str | None) else type(layer).__name__
    remedy = _LAMBDA_REMEDY if kind == "Lambda" else _REMEDY
    of = f" ({kind})" if kind else ""
    return InputError(
        one_line(f"layer '{path}'{of} does not survive being saved and loaded: {cause[:_LONGEST]}; {remedy}")
    )
