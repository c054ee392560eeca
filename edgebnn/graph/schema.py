"""The TFLite schema's accessors as ``schema``: LiteRT's, or those of the ``tflite`` package where LiteRT has no wheel.

Both are generated from the same schema. The ``tflite`` package only reads: it lacks the objects (``ModelT``, ...) that
writing takes.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from edgebnn.errors import EdgebnnError

LITERT, OLDER_LITERT = "ai_edge_litert", "tflite_runtime"
"""The interpreter's modules: the second where the first has no wheel."""


def is_installed(module: str) -> bool:
    """Whether there is such a module, without importing it."""
    return importlib.util.find_spec(module) is not None


def missing_litert() -> EdgebnnError:
    """What is said where no interpreter is installed."""
    return EdgebnnError("LiteRT is not installed: pip install ai-edge-litert (on ARMv7 tflite-runtime)")


def _find() -> Any:
    if is_installed(LITERT):
        return importlib.import_module(f"{LITERT}.schema_py_generated")
    if is_installed("tflite"):
        return importlib.import_module("tflite")
    raise missing_litert()


schema: Any = _find()
"""The module of accessors. It is large, and generated without types."""

CAN_WRITE = hasattr(schema, "ModelT")
