"""What a network takes of a device's flash and RAM."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What there is, in bytes; None: as much as is needed."""

    flash: int | None = None
    ram: int | None = None


@dataclass(frozen=True)
class LayerFootprint:
    """One layer: bytes of its constants, and of what is live in the arena while it runs, its scratch included.

    ``index`` is that of its op in the file.
    """

    index: int
    op: str
    name: str
    kernel: str
    flash_bytes: int
    ram_bytes: int


@dataclass(frozen=True)
class CodeSize:
    """A function's bytes of machine code."""

    name: str
    bytes: int


@dataclass(frozen=True)
class Flash:
    """Bytes of machine code, with the start-up code and what the compiler's library adds, and of constants."""

    code: int
    constants: int
    total: int
    limit: int | None


@dataclass(frozen=True)
class Ram:
    """Bytes of the arena, of inputs and outputs, which are the caller's, and of the stack that one inference used."""

    arena: int
    arena_lower_bound: int
    inputs_and_outputs: int
    stack: int
    total: int
    limit: int | None


@dataclass(frozen=True)
class Footprint:
    """Field names are the JSON's. ``functions``: the largest first. ``remedies``: what to change if it does not fit."""

    target: str
    flash: Flash
    ram: Ram
    fits: bool
    layers: tuple[LayerFootprint, ...]
    functions: tuple[CodeSize, ...]
    remedies: tuple[str, ...]
