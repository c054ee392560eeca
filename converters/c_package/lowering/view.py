"""Ops that give the same bytes another shape: nothing is computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from edgebnn.converters.c_package.program import Alias
from edgebnn.graph.opdef import OpView
from edgebnn.kernels.cores import Core


def _same_bytes(op: OpView, core: Core) -> Alias:
    return Alias()


OPS: Mapping[str, Callable[[OpView, Core], Alias]] = MappingProxyType(
    dict.fromkeys(("RESHAPE", "SQUEEZE", "EXPAND_DIMS"), _same_bytes)
)
