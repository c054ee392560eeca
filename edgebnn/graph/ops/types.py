"""Sets of element types that many ops share."""

from __future__ import annotations

from edgebnn.graph.types import DType

TypePairs = tuple[tuple[DType, DType], ...]

EVERY_TYPE = tuple(DType)
NUMBERS = (DType.FLOAT32, DType.INT8, DType.INT32, DType.INT64)


def unchanged(*types: DType) -> TypePairs:
    """Ops whose output has the type of their first input."""
    return tuple((t, t) for t in types)


FLOAT = unchanged(DType.FLOAT32)
FLOAT_OR_INT8 = unchanged(DType.FLOAT32, DType.INT8)
ANY = unchanged(*EVERY_TYPE)
