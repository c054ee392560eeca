"""Modules of the user's: imported as from the current folder, and what they raise told in one line that says where.

A saved Keras model holds the names of the layers, initializers and quantizers it is made of, not their code. Keras
knows its own and Larq's; for others the module that defines them has to be imported in every process that loads the
model.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
import sysconfig
import traceback
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from edgebnn.errors import EdgebnnError, InputError, one_line


def imported(name: str, spec: str) -> ModuleType:
    """The module ``name``, looked for in the current folder first, as Python itself does for a script.

    Args:
        name: dotted, as in an import statement.
        spec: what the user gave, which errors begin with.

    Raises:
        InputError: it cannot be imported; the message says what was raised, and in which line.
    """
    with on_path(), running_others(f"{spec}: the module {name} cannot be imported"):
        return importlib.import_module(name)


@contextmanager
def on_path() -> Iterator[None]:
    """Within it modules of the current folder can be imported."""
    folder = os.getcwd()
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def register(names: Sequence[str], objects: MutableMapping[str, Any]) -> None:
    """Import modules and make the layers, initializers, quantizers and functions they define known to Keras.

    Many modules register theirs when they are imported, by a decorator; the classes and functions of those that do not
    are added under their plain names, which is what a saved model calls them by.

    Args:
        names: of the modules, dotted.
        objects: Keras' table of custom objects: ``keras.utils.get_custom_objects()``.

    Raises:
        InputError: a module cannot be imported.
    """
    for name in names:
        module = imported(name, name)
        for key, value in vars(module).items():
            own = getattr(value, "__module__", None) == module.__name__
            known = any(value is other for name, other in objects.items() if name != key)
            if callable(value) and own and not known and not key.startswith("_"):
                objects[key] = value  # in place of another module's, which has the same name


@contextmanager
def running_others(message: str) -> Iterator[None]:
    """What a user's module raises inside the block becomes one InputError that says where it was raised."""
    try:
        yield
    except EdgebnnError:
        raise
    # The code is the user's, and so may be the class: only the bases of all exceptions cover what it can raise.
    except (Exception, SystemExit) as error:
        raise InputError(one_line(f"{message} ({first_line(error)}{_place(error)})")) from error


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


_AROUND = re.compile(r"\s*(in user code:|File \".*\", line \d+, in |.*Exception encountered when calling )")
"""Lines that Keras and TensorFlow put before what was raised in a layer, or in code that they trace."""


def first_line(error: BaseException) -> str:
    """The class of an exception and the first line of its message, without what Keras and TensorFlow put around it."""
    text = str(error).split("Call arguments received by ")[0]
    lines = text.strip().splitlines()
    start = 0
    for number, line in enumerate(lines):
        if found := _AROUND.match(line):
            start = number + 1 + found[1].startswith("File ")  # the line of code stands below its place
    line = next((line.strip() for line in lines[start:] if line.strip()), lines[0].strip() if lines else "")
    kind = type(error).__name__
    return line if line.startswith(f"{kind}: ") else f"{kind}: {line}" if line else kind


@dataclass(frozen=True)
class Code:
    """What it takes to load a network beside Keras and Larq; plain data that can be sent to another process.

    Attributes:
        modules: to be imported first, dotted.
        functions: whether its file holds the code of functions (Lambda layers), which Keras runs only if told to.
    """

    modules: tuple[str, ...] = ()
    functions: bool = False
