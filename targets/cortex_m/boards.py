"""Boards: a core, its memories and its clock. One TOML file in ``targets/boards`` each, whose name is the board's."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FOLDER = Path(__file__).parent.parent / "boards"


@dataclass(frozen=True)
class Board:
    """Attributes:
    name: of the file, and of the target.
    title: as its maker writes it.
    core: a name in :data:`edgebnn.kernels.cores.CORES`.
    flash_bytes, ram_bytes: in one piece.
    clock_mhz: its fastest.
    source: the document that says so.
    """

    name: str
    title: str
    core: str
    flash_bytes: int
    ram_bytes: int
    clock_mhz: float
    source: str


@lru_cache
def board(name: str) -> Board:
    """The board that is called so, which there must be."""
    return Board(name=name, **tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8")))
