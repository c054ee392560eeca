"""The TFLite interpreter that is installed: LiteRT's, or tflite-runtime's on ARMv7, for which LiteRT has no wheel."""

from __future__ import annotations

import importlib.util

if importlib.util.find_spec("ai_edge_litert") is not None:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType, load_delegate

    PACKAGE = "ai-edge-litert"
else:
    from tflite_runtime.interpreter import Interpreter, OpResolverType, load_delegate

    PACKAGE = "tflite-runtime"

__all__ = ["PACKAGE", "Interpreter", "OpResolverType", "load_delegate"]
