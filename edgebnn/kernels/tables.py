"""The tables of kernels as data: what each line declares of itself, read from the very text that C is compiled from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from . import table

_LINE = re.compile(r'^EB_\w+_KERNEL\(\s*(\w+)\s*,\s*(\w+)\s*,\s*"[^"]*",(.*?)\)$', re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"\.(\w+)\s*=\s*(\d+)")
_FEATURE = re.compile(r"\.cpu_features\s*=\s*EB_CPU_(\w+)")
_ORDERS: Mapping[str, str] = MappingProxyType(
    {"EB_OUTPUT_STATIONARY": "os", "EB_WEIGHT_STATIONARY": "ws", "EB_ROW_STATIONARY": "rs"}
)


@dataclass(frozen=True)
class KernelLine:
    """A line of a table.

    Attributes:
        name: of the kernel.
        architecture: ANY, X86_64, AARCH64 or ARM.
        feature: what the processor needs besides, as ``enum eb_cpu_feature`` calls it; ANY: nothing.
        orders: the dataflows that it can take.
        numbers: its other fields, by their names in C.
    """

    name: str
    architecture: str
    feature: str
    orders: tuple[str, ...]
    numbers: Mapping[str, int]


@lru_cache
def lines(operation: str) -> tuple[KernelLine, ...]:
    """The lines of the table of an operation, best first."""
    return tuple(
        KernelLine(
            name,
            architecture,
            _FEATURE.findall(fields)[0],
            tuple(order for constant, order in _ORDERS.items() if constant in fields),
            MappingProxyType({field: int(number) for field, number in _NUMBER.findall(fields)}),
        )
        for name, architecture, fields in _LINE.findall(table(operation))
    )
