"""The machine that layers are planned for, read from a TOML file: memories, an array of processing elements, costs."""

from __future__ import annotations

import hashlib
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edgebnn.errors import InputError
from edgebnn.files import unreadable

from .workload import OPERANDS, PRECISIONS, Operand

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@dataclass(frozen=True)
class Compression:
    """Run-length coding of zeros: runs of up to 2**run_bits - 1 of them, each with the value behind it.

    Attributes:
        run_bits: of the length of a run.
        value_bits: of a value as it is stored plainly.
        entry_bits: of a run and its value, a share of what is left over in a word included.
    """

    run_bits: int
    value_bits: int
    entry_bits: float

    def share(self, zeros: float) -> float:
        """Of the plain size, for zeros that lie anywhere; what would grow is stored plainly.

        An entry holds a run, which ends at its longest too, and one value: 1 + z + z**2 + ... of the sequence.
        """
        longest = 2**self.run_bits
        elements = float(longest) if zeros >= 1 else (1 - zeros**longest) / (1 - zeros)
        return min(1.0, self.entry_bits / self.value_bits / elements)


@dataclass(frozen=True)
class Level:
    """A memory.

    Attributes:
        name: such as "DRAM".
        width: bits of one access.
        energy: of one access, in the machine's unit.
        capacity: bytes; for memories with a part for each operand, by operand. None: nothing is too large.
        bytes_per_cycle: how fast it can be read and written, in all.
        bank: bytes that one operand has for itself or not at all.
        holds: the operands that are kept in it; others pass it by.
        per_pe: each processing element has one.
        buffered: the next tile is loaded while the last one is computed with.
        overlaps: what a tile of inputs shares with the last one stays in it; else every tile is loaded anew.
        compression: how zeros are left out, if they are.
        ways, line: of a cache, lines that a set holds and bytes of a line; None: it is no cache, or it is not known.
    """

    name: str
    width: int
    energy: float
    capacity: int | Mapping[Operand, int] | None
    bytes_per_cycle: float
    holds: frozenset[Operand]
    bank: int = 1
    per_pe: bool = False
    buffered: bool = True
    overlaps: bool = True
    compression: Compression | None = None
    ways: int | None = None
    line: int = 64


@dataclass(frozen=True)
class Network:
    """What brings words from the memories to the processing elements and partial sums from one to the next.

    Attributes:
        width: bits of a word.
        energy: of one word that reaches a processing element.
        words_per_cycle: by operand; outputs each way.
        alike: whether all passes are set up alike, so that one with less to do takes as long.
        pass_bytes: by operand, what may wait on the way for those that no memory in front of the array holds.
    """

    width: int
    energy: float
    words_per_cycle: Mapping[Operand, float]
    pass_bytes: Mapping[Operand, int]
    alike: bool = False


@dataclass(frozen=True)
class Hardware:
    """A machine.

    Attributes:
        name: for people.
        source: where its figures are from.
        unit: of energies.
        clock_hz: of the array.
        rows, columns: of processing elements.
        dataflows: the names of those that its mappings may follow.
        levels: its memories, from the largest.
        network: to the processing elements; None for a processor, whose registers load for themselves.
        mac_energy, macs_per_cycle: of one multiply-accumulate and of one processing element, by precision.
        word_bits: of every number, where the machine has one kind; None where memories hold what the file holds.
        digest: of the file that says all this.
        objective: what a mapping is chosen by, unless the user says otherwise.
    """

    name: str
    source: str
    unit: str
    clock_hz: float
    rows: int
    columns: int
    dataflows: tuple[str, ...]
    levels: tuple[Level, ...]
    network: Network | None
    mac_energy: Mapping[str, float]
    macs_per_cycle: Mapping[str, float]
    word_bits: int | None = None
    objective: str = "energy"
    digest: str = ""

    @property
    def pes(self) -> int:
        return self.rows * self.columns

    @property
    def homes(self) -> int:
        """How many of the outermost levels it takes until every operand has been in one: there whole layers lie."""
        missing = set(OPERANDS)
        for count, level in enumerate(self.levels, 1):
            missing -= level.holds
            if not missing:
                return count
        raise AssertionError("checked when the file was read")


def names() -> tuple[str, ...]:
    """The machines that edgebnn knows, as ``--hardware`` takes them."""
    return tuple(sorted(path.name.removesuffix(".toml") for path in _folder().iterdir() if path.name.endswith(".toml")))


def load(name: str) -> Hardware:
    """The machine called ``name``, or described by the TOML file ``name``.

    Raises:
        InputError: there is none, or what the file says is impossible; the message names the entry.
    """
    if name in names():
        return parse(_folder().joinpath(f"{name}.toml").read_text(encoding="utf-8"), f"{name}.toml")
    if not name.endswith(".toml"):
        raise InputError(f"unknown hardware '{name}'; known: {', '.join(names())}, or a file that ends in .toml")
    try:
        text = Path(name).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{name}: is not text in UTF-8") from None
    except (OSError, ValueError) as error:
        raise unreadable(name, error) from None
    return parse(text, name)


def parse(text: str, source: str) -> Hardware:
    """The machine that ``text``, the content of the file ``source``, describes. Raises InputError."""
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: of TOML, or of a number with thousands of digits
        raise InputError(f"{source}: is not TOML ({error})") from None
    reader = _Reader(table, source)
    levels = tuple(_level(entry) for entry in reader.tables("levels"))
    array = reader.table("array", {"rows": 1, "columns": 1})
    mac = reader.table("mac")
    hardware = Hardware(
        name=reader.text("name"),
        source=reader.text("source"),
        unit=reader.text("energy_unit"),
        clock_hz=reader.number("clock_mhz", above=0) * 1e6,
        rows=array.whole("rows", most=_MOST_PES),
        columns=array.whole("columns", most=_MOST_PES),
        dataflows=reader.choices("dataflows", DATAFLOWS),
        levels=levels,
        network=_network(array),
        mac_energy=mac.by("energy", PRECISIONS),
        macs_per_cycle=mac.by("per_cycle", PRECISIONS, above=0),
        word_bits=reader.whole("word_bits", most=1024) if "word_bits" in table else None,
        objective=reader.choice("objective", OBJECTIVES) if "objective" in table else "energy",
        digest=hashlib.sha256(text.encode()).hexdigest()[:16],
    )
    for part in (reader, array, mac):
        part.finish()
    _check(hardware, source)
    return hardware


DATAFLOWS = ("rs", "ws", "os", "os-soc-mop", "os-moc-mop", "os-moc-sop", "nlr")
_LARGEST = 1e15
"""Of energies and rates; the least above 0 is its inverse. What is beyond is no machine, and sums of it overflow."""
_MOST_PES = 65536
"""Processing elements along one side."""
OBJECTIVES = ("energy", "latency", "edp")


def _folder() -> Any:
    return files("edgebnn.dataflow") / "hardware"


def _level(entry: _Reader) -> Level:
    capacity: int | Mapping[Operand, int] | None = None
    if isinstance(entry.table_of.get("capacity"), dict):
        sizes = entry.table("capacity")
        capacity = MappingProxyType({name: sizes.whole(name) for name in OPERANDS if name in sizes.table_of})
        sizes.finish()
    elif "capacity" in entry.table_of:
        capacity = entry.whole("capacity")
    compression = None
    if "compression" in entry.table_of:
        coding = entry.table("compression")
        compression = Compression(
            coding.whole("run_bits", most=16), coding.whole("value_bits"), coding.number("entry_bits", above=0)
        )
        coding.finish()
    level = Level(
        name=entry.text("name"),
        width=entry.whole("width"),
        energy=entry.number("energy"),
        capacity=capacity,
        bytes_per_cycle=entry.number("bytes_per_cycle", above=0),
        holds=frozenset(entry.choices("holds", OPERANDS)) if "holds" in entry.table_of else frozenset(OPERANDS),
        bank=entry.whole("bank") if "bank" in entry.table_of else 1,
        per_pe=entry.flag("per_pe"),
        buffered=entry.flag("buffered", True),
        overlaps=entry.flag("overlaps", True),
        compression=compression,
        ways=entry.whole("ways") if "ways" in entry.table_of else None,
        line=entry.whole("line") if "line" in entry.table_of else 64,
    )
    entry.finish()
    return level


def _network(array: _Reader) -> Network | None:
    if "network" not in array.table_of:
        return None
    entry = array.table("network")
    sizes = entry.table("pass_bytes", {})
    network = Network(
        width=entry.whole("width"),
        energy=entry.number("energy"),
        words_per_cycle=entry.by("words_per_cycle", OPERANDS, above=0),
        pass_bytes=MappingProxyType({name: sizes.whole(name) for name in OPERANDS if name in sizes.table_of}),
        alike=entry.flag("alike"),
    )
    sizes.finish()
    entry.finish()
    return network


def _check(hardware: Hardware, source: str) -> None:
    """Raises InputError for a machine on which nothing could run, or whose energies make no sense."""
    levels = hardware.levels
    titles = [level.name for level in levels]
    if len(set(titles)) < len(titles) or set(titles) & {"MAC", "network"}:
        raise InputError(
            f"{source}: levels are called {', '.join(titles)}; names must differ, and not be MAC or network"
        )
    for operand in OPERANDS:
        if not any(operand in level.holds for level in levels[:-1]):
            raise InputError(f"{source}: no level but the last holds {operand}: a layer has nowhere to come from")
    if any(level.per_pe for level in levels[:-1]):
        raise InputError(f"{source}: only the last level can be per_pe")
    if hardware.pes > 1 and not (levels[-1].per_pe and hardware.network):
        raise InputError(f"{source}: an array of {hardware.pes} needs a last level that is per_pe, and array.network")
    if hardware.network is None and any(level.holds < set(OPERANDS) for level in levels[hardware.homes :]):
        raise InputError(f"{source}: without an array, every level below those of whole layers must hold all operands")
    if len(levels) <= hardware.homes:
        raise InputError(f"{source}: needs a level below those in which whole layers lie, such as registers")
    for level in levels:
        size = level.capacity
        if level.ways is not None and (not isinstance(size, int) or size % (level.ways * level.line)):
            raise InputError(
                f"{source}: level {level.name} does not divide into {level.ways} ways of lines of {level.line} bytes"
            )
    for outer, inner in pairwise(levels):
        if not inner.per_pe and _total(outer) < _total(inner) and hardware.homes <= levels.index(inner):
            raise InputError(f"{source}: level {inner.name} is larger than {outer.name}, which stands before it")


def _shown(value: Any) -> str:
    """A value for a message of one line."""
    try:
        text = repr(value)
    except ValueError:  # an integer of thousands of digits
        return "so large a number"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _total(level: Level) -> float:
    if level.capacity is None:
        return math.inf
    return level.capacity if isinstance(level.capacity, int) else sum(level.capacity.values())


class _Reader:
    """One table of a TOML file: gives its entries checked, and refuses those that nobody asked for."""

    def __init__(self, table: Mapping[str, Any], where: str) -> None:
        self.table_of, self._where, self._asked = table, where, set[str]()

    def _get(self, name: str) -> Any:
        self._asked.add(name)
        if name not in self.table_of:
            raise InputError(f"{self._where}: lacks {name}")
        return self.table_of[name]

    def text(self, name: str) -> str:
        value = self._get(name)
        if not isinstance(value, str) or not value or not value.isprintable():
            raise InputError(f"{self._where}: {name} must be a text of one line, not {_shown(value)}")
        return value

    def number(self, name: str, above: float | None = None) -> float:
        value = self._get(name)
        known = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
        if not known or (above is not None and value <= above):
            kind = "a number of at least 0" if above is None else f"a number above {above:g}"
            raise InputError(f"{self._where}: {name} must be {kind}, not {_shown(value)}")
        if value > _LARGEST or 0 < value < 1 / _LARGEST:
            limits = f"between {1 / _LARGEST:g} and {_LARGEST:g}"
            raise InputError(f"{self._where}: {name} must be a number {limits}, not {_shown(value)}")
        return float(value)

    def whole(self, name: str, most: int = 2**62) -> int:
        value = self._get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            raise InputError(
                f"{self._where}: {name} must be a whole number of at least 1, up to {most}, not {_shown(value)}"
            )
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        if name not in self.table_of:
            return default
        value = self._get(name)
        if not isinstance(value, bool):
            raise InputError(f"{self._where}: {name} must be true or false, not {_shown(value)}")
        return value

    def choices(self, name: str, known: tuple[str, ...]) -> tuple[str, ...]:
        value = self._get(name)
        chosen = [value] if isinstance(value, str) else value
        if not isinstance(chosen, list) or not chosen or any(item not in known for item in chosen):
            raise InputError(f"{self._where}: {name} must be of {', '.join(known)}, not {_shown(value)}")
        return tuple(chosen)

    def choice(self, name: str, known: tuple[str, ...]) -> str:
        chosen = self.choices(name, known)
        if len(chosen) > 1:
            raise InputError(f"{self._where}: {name} must be one of {', '.join(known)}, not {len(chosen)} of them")
        return chosen[0]

    def by(self, name: str, keys: tuple[str, ...], above: float | None = None) -> Mapping[str, float]:
        part = self.table(name)
        values = MappingProxyType({key: part.number(key, above) for key in keys})
        part.finish()
        return values

    def table(self, name: str, default: Mapping[str, Any] | None = None) -> _Reader:
        if default is not None and name not in self.table_of:
            return _Reader(default, f"{self._where}: {name}")
        value = self._get(name)
        if not isinstance(value, dict):
            raise InputError(f"{self._where}: {name} must be a table, not {_shown(value)}")
        return _Reader(value, f"{self._where}: {name}")

    def tables(self, name: str) -> list[_Reader]:
        value = self._get(name)
        if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
            raise InputError(f"{self._where}: {name} must be tables, each headed [[{name}]]")
        return [_Reader(item, f"{self._where}: {name}[{i}]") for i, item in enumerate(value)]

    def finish(self) -> None:
        """Raises InputError for an entry that nobody asked for: it would have no effect."""
        unknown = sorted(set(self.table_of) - self._asked)
        if unknown:
            raise InputError(f"{self._where}: unknown entry {', '.join(map(repr, unknown))}")
