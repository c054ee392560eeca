"""The TFLite interpreter that is installed: LiteRT's, or tflite-runtime's on ARMv7, for which LiteRT has no wheel."""

from __future__ import annotations

from edgebnn.graph.schema import LITERT, OLDER_LITERT, is_installed, missing_litert

if is_installed(LITERT):
    from ai_edge_litert.interpreter import Interpreter, OpResolverType, load_delegate
elif is_installed(OLDER_LITERT):
    from tflite_runtime.interpreter import Interpreter, OpResolverType, load_delegate
else:
    raise missing_litert()

__all__ = ["Interpreter", "OpResolverType", "load_delegate"]
