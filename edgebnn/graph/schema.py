"""The TFLite schema's accessors as ``schema``: LiteRT's, or those of the ``tflite`` package where LiteRT has no wheel.

Both are generated from the same schema. The ``tflite`` package only reads: it lacks the objects (``ModelT``, ...) that
writing takes.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any


def _find() -> Any:
    there = importlib.util.find_spec("ai_edge_litert") is not None
    return importlib.import_module("ai_edge_litert.schema_py_generated" if there else "tflite")


schema: Any = _find()
"""The module of accessors. It is large, and generated without types."""

CAN_WRITE = hasattr(schema, "ModelT")
