"""How each op becomes a call of a kernel: one table, kind -> function.

A function takes the op and the core, and returns a Step or an Alias. A family of ops is a module, which holds the table
of its kernels: a new variant is one C file and one line there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from edgebnn.converters.c_package.program import Lowered
from edgebnn.errors import UnsupportedOpError
from edgebnn.graph.opdef import OpView
from edgebnn.kernels.cores import Core

from . import host, lookup, view

Lowering = Callable[[OpView, Core], Lowered]

LOWERINGS: Mapping[str, Lowering] = MappingProxyType({**lookup.OPS, **view.OPS})
HOST_LOWERINGS: Mapping[str, Lowering] = MappingProxyType({**LOWERINGS, **host.OPS})


def lower(op: OpView, core: Core) -> Lowered:
    """The step of one op.

    Raises:
        UnsupportedOpError: there is no kernel for it, or not for these element types or options.
    """
    found = (HOST_LOWERINGS if core.host else LOWERINGS).get(op.op.kind)
    if found is None:
        raise UnsupportedOpError(
            f"layer {op.name!r}: there is no C kernel of {op.op.kind}; there are: {', '.join(sorted(LOWERINGS))}"
        )
    return found(op, core)
