"""edgebnn: from a Larq/Keras model to a measured 1-bit model on Linux, a Raspberry Pi or a microcontroller.

The public API is imported lazily: ``import edgebnn`` loads neither LiteRT nor TensorFlow.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgebnn.converters.convert import convert
    from edgebnn.converters.read_tflite import read
    from edgebnn.runtime.interpreter import Interpreter, load
    from edgebnn.targets import target
    from edgebnn.workflows.prune import prune
    from edgebnn.workflows.retrain import retrain

__version__ = "0.1.0"

_PUBLIC = {
    "Interpreter": "edgebnn.runtime.interpreter",
    "convert": "edgebnn.converters.convert",
    "load": "edgebnn.runtime.interpreter",
    "read": "edgebnn.converters.read_tflite",
    "prune": "edgebnn.workflows.prune",
    "retrain": "edgebnn.workflows.retrain",
    "target": "edgebnn.targets",
}

__all__ = ["Interpreter", "__version__", "convert", "load", "prune", "read", "retrain", "target"]


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'edgebnn' has no attribute '{name}'")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
