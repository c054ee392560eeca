"""What a pruned network may cost: ``latency=0.6x``, ``macs=454945680``, ``flash=256k``."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from edgebnn.errors import InputError

_DECIMAL = MappingProxyType({"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9})
_BINARY = MappingProxyType({"": 1.0, "k": 2.0**10, "M": 2.0**20})
_TIME = MappingProxyType({"": 1.0, "us": 1e-3, "ms": 1.0, "s": 1e3})


@dataclass(frozen=True)
class Kind:
    """A resource: the unit its amounts are stored in, and the factors of the suffixes that users may write."""

    unit: str
    suffixes: Mapping[str, float]


# What pruning.resources counts follows from the widths alone, latency from a table, the others from the model as it is
# deployed: int8_macs too, since what is float in training may become int8.
RESOURCES: Mapping[str, Kind] = MappingProxyType(
    {
        "latency": Kind("ms", _TIME),
        "macs": Kind("MACs", _DECIMAL),
        "binary_macs": Kind("MACs", _DECIMAL),
        "w1a8_macs": Kind("MACs", _DECIMAL),
        "int8_macs": Kind("MACs", _DECIMAL),
        "float_macs": Kind("MACs", _DECIMAL),
        "parameters": Kind("parameters", _DECIMAL),
        "flash": Kind("bytes", _BINARY),
        "ram": Kind("bytes", _BINARY),
        "energy": Kind("energy units", MappingProxyType({"": 1.0})),
    }
)

_AMOUNT = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?|\.[0-9]+)\s*(?P<suffix>[A-Za-z]*)")


@dataclass(frozen=True)
class Budget:
    """An upper bound on one resource.

    Attributes:
        resource: a name in :data:`RESOURCES`.
        amount: in the resource's unit, or, if ``relative``, as a share of what the unpruned network takes.
        relative: see ``amount``.
    """

    resource: str
    amount: float
    relative: bool = False

    def __post_init__(self) -> None:
        """Raises :class:`InputError` for an unknown resource, or an amount that bounds nothing."""
        if self.resource not in RESOURCES:
            raise InputError(f"budget: unknown resource {self.resource!r}; choose one of {', '.join(RESOURCES)}")
        if not (math.isfinite(self.amount) and self.amount > 0):
            raise InputError(f"budget: {self.resource} must be a finite number above zero, not {self.amount}")
        if self.relative and self.amount >= 1:
            raise InputError(
                f"budget: {self.resource}={self.amount:g}x asks for no saving; give a share below 1, such as "
                f"{self.resource}=0.6x"
            )

    def __str__(self) -> str:
        """As a user would write it."""
        return f"{self.resource}={self.amount:.15g}{'x' if self.relative else ''}"

    def absolute(self, initial: float) -> float:
        """The bound, for a network that takes ``initial`` before pruning, in the same unit."""
        return self.amount * initial if self.relative else self.amount


def parse(text: str) -> Budget:
    """``RESOURCE=AMOUNT`` as a budget: a share such as ``0.6x``, or a number with one of the resource's suffixes.

    Suffixes: us, ms (the default) and s for latency; k, M and G for counts; k (1024) and M (1024 * 1024) for bytes.
    Raises :class:`InputError` for anything else, with an example of what is understood.
    """
    resource, equals, amount = (part.strip() for part in text.partition("="))
    if not equals:
        raise InputError(f"budget {text!r}: write RESOURCE=AMOUNT, such as latency=0.6x or macs=454945680")
    if resource not in RESOURCES:
        raise InputError(f"budget {text!r}: unknown resource {resource!r}; choose one of {', '.join(RESOURCES)}")
    suffixes = RESOURCES[resource].suffixes
    matched = _AMOUNT.fullmatch(amount)
    if matched is None or matched["suffix"] not in (*suffixes, "x"):
        known = ", ".join(suffix for suffix in (*suffixes, "x") if suffix)
        raise InputError(
            f"budget {text!r}: {amount!r} is no amount of {resource}; write a number, optionally followed by one of: "
            f"{known} (x: a share of the unpruned network's)"
        )
    number = float(matched["number"])
    if matched["suffix"] == "x":
        return Budget(resource, number, relative=True)
    return Budget(resource, number * suffixes[matched["suffix"]])
