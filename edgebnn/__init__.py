"""edgebnn: from a Larq/Keras model to a measured 1-bit model on Linux, a Raspberry Pi among it.

The public API is imported lazily: ``import edgebnn`` loads neither LiteRT nor TensorFlow.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgebnn import preprocessing, runtime
    from edgebnn.converters.convert import convert
    from edgebnn.converters.read_tflite import read
    from edgebnn.graph.metadata import ImageFormat, Metadata
    from edgebnn.runtime.interpreter import Interpreter
    from edgebnn.runtime.model import load
    from edgebnn.targets import target
    from edgebnn.targets.exporting import export
    from edgebnn.targets.linux.deploying import deploy
    from edgebnn.workflows.prune import prune
    from edgebnn.workflows.retrain import retrain

    __version__: str

_PUBLIC = {
    "ImageFormat": "edgebnn.graph.metadata",
    "Interpreter": "edgebnn.runtime.interpreter",
    "Metadata": "edgebnn.graph.metadata",
    "convert": "edgebnn.converters.convert",
    "deploy": "edgebnn.targets.linux.deploying",
    "export": "edgebnn.targets.exporting",
    "load": "edgebnn.runtime.model",
    "read": "edgebnn.converters.read_tflite",
    "prune": "edgebnn.workflows.prune",
    "retrain": "edgebnn.workflows.retrain",
    "target": "edgebnn.targets",
}
_MODULES = ("preprocessing", "runtime")

__all__ = [
    "ImageFormat",
    "Interpreter",
    "Metadata",
    "__version__",
    "convert",
    "deploy",
    "export",
    "load",
    "preprocessing",
    "prune",
    "read",
    "retrain",
    "runtime",
    "target",
]


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return import_module(f"edgebnn.{name}")
    if name in _PUBLIC:
        return getattr(import_module(_PUBLIC[name]), name)
    if name == "__version__":
        from importlib.metadata import version

        return version("edgebnn")
    raise AttributeError(f"module 'edgebnn' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
