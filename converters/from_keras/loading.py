"""Saved Keras models, and functions that build one, as Keras models."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgebnn import user_modules
from edgebnn._tensorflow import LIBRARY_ERRORS, keras
from edgebnn.errors import InputError, one_line
from edgebnn.user_modules import first_line

from .saved_larq import with_larq_layers


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
    if os.path.exists(path):  # false for a name that no file can have, where pathlib raises
        return _saved(path)
    module, colon, function = spec.partition(":")
    if not colon or "/" in spec:
        raise InputError(f"{spec}: no such file; give a saved Keras model or package.module:function")
    return _built(spec, module, function)


def _saved(path: Path) -> Any:
    if path.is_dir() and not (path / "saved_model.pb").exists():
        raise InputError(f"{path}: is a folder without a saved_model.pb; give a .keras or .h5 file or a SavedModel")
    try:
        model = with_larq_layers(keras.models.load_model(path, compile=False))
    except LIBRARY_ERRORS as error:
        why = _why_not_loaded(path, error)
        raise InputError(one_line(f"{path}: cannot be loaded as a Keras model ({why})")) from error
    return _checked(str(path), model)


_UNKNOWN = (
    r"Unknown (?P<kind>\w+): ['\"]?(?P<name>[\w>.]+)",
    r"Could not locate (?P<kind>class|function) ['\"](?P<name>[^'\"]+)",
    r"(?P<kind>\w+) ['\"](?P<name>[\w>.]+)['\"] (?:is not registered|was not found)",
)
"""How Keras says that it does not know what a file names."""


_LONGEST_CAUSE = 300  # characters: Keras prints whole configurations


def _why_not_loaded(path: Path, error: BaseException) -> str:
    """The cause and the way out, out of the paragraphs that Keras raises."""
    way_out = "in Python load_model(imports=...), or give package.module:function"
    if path.suffix in (".h5", ".hdf5"):
        way_out += "; quantizers that are plain functions are found again in .keras files alone"
    text = " ".join(str(error).split())
    for pattern in _UNKNOWN:
        if found := re.search(pattern, text):
            return (
                f"unknown {found['kind'].lower()} '{found['name']}': name the module that defines it with --import, "
                f"{way_out}"
            )
    if re.search("lambda", text, re.IGNORECASE) and re.search("safe_mode|unsafe|arbitrary code", text):
        return (
            "it has a Lambda layer, whose code is in the file and which Keras does not run unasked: give "
            "package.module:function, a function of yours that builds the model, or that returns "
            "tf_keras.models.load_model(file, safe_mode=False) if you trust the file"
        )
    return (
        f"{first_line(error)[:_LONGEST_CAUSE]}; if it has layers, quantizers or functions of your own, name the module "
        f"that defines them with --import, {way_out}"
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
