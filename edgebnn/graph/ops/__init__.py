"""Every op edgebnn knows, one entry each: see :class:`edgebnn.graph.opdef.OpDef`.

A new op is a new :class:`OpDef` in the ``OPS`` tuple of the module it belongs to; nothing else lists ops.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from edgebnn.graph.opdef import OpDef

from . import (
    activation,
    binary,
    compare,
    conv,
    dense,
    elementwise,
    pool,
    quantize,
    reduce,
    resize,
    shape_ops,
    slicing,
    unary,
    w1a8,
)

_MODULES = (
    activation,
    binary,
    compare,
    conv,
    dense,
    elementwise,
    pool,
    quantize,
    reduce,
    resize,
    shape_ops,
    slicing,
    unary,
    w1a8,
)

OPS: Mapping[str, OpDef] = MappingProxyType({entry.kind: entry for module in _MODULES for entry in module.OPS})
"""Entries by kind: a TFLite builtin's name, or a custom op's custom_code."""
