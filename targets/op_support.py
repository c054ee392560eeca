"""What each op supports where: read from the entries of the ops and the table of C kernels."""

from __future__ import annotations

from dataclasses import dataclass

from edgebnn.converters.c_package.lowering import has_kernel
from edgebnn.graph.ops import OPS


@dataclass(frozen=True)
class TypeSupport:
    """A pair of element types, of an op's first input and first output; the reference executor computes it.

    host:  whose kernels run it here: "edgebnn" or "LiteRT".
    exact: whether LiteRT has a reference kernel that computes what the reference executor does, or edgebnn its own.
    c:     whether C packages have a kernel.
    """

    input: str
    output: str
    host: str
    exact: bool
    c: bool


@dataclass(frozen=True)
class OpSupport:
    """An op of the IR. ``custom``: no TFLite builtin."""

    op: str
    custom: bool
    types: tuple[TypeSupport, ...]


def op_support() -> tuple[OpSupport, ...]:
    """Every op that edgebnn knows, by name."""
    return tuple(
        OpSupport(
            kind,
            entry.custom,
            tuple(
                TypeSupport(
                    source.value,
                    result.value,
                    "edgebnn" if entry.custom else "LiteRT",
                    source not in entry.no_reference,
                    has_kernel(kind, result),
                )
                for source, result in entry.types
            ),
        )
        for kind, entry in sorted(OPS.items())
    )
