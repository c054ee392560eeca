"""What each layer's kernel is to follow: which kernel, which loop order, which tile sizes. It never changes a result.

A kernel declares its space: the loop orders that it can take, and for each the tiles it cuts by and their sizes. A
layer's schedule is one point of it. All points give the same bits; they differ in instructions and in what is read
again. A file of schedules belongs to one .tflite file, which its hash names.

The loop orders are dataflows, named by what stays in the registers or the nearest cache while the rest passes by: "os"
the outputs, "ws" the weights, "rs" a row of the filter while a row of the input slides.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edgebnn.errors import InputError, one_line
from edgebnn.files import digest, unreadable, write_text

DATAFLOWS: Mapping[str, str] = MappingProxyType(
    {"os": "output stationary", "ws": "weight stationary", "rs": "row stationary"}
)
"""The loop orders, with what people call them."""

FORMAT = "edgebnn schedule 1"
"""What a file says of itself first."""


@dataclass(frozen=True)
class LayerSchedule:
    """How one layer is computed.

    Attributes:
        op: its index in the file.
        name: of its output tensor, for people.
        kernel: a line of a table of kernels, or a kernel of generated packages.
        dataflow: a key of :data:`DATAFLOWS`.
        tiles: sizes, by the names that the kernel declares.
    """

    op: int
    name: str
    kernel: str
    dataflow: str
    tiles: Mapping[str, int]

    def __str__(self) -> str:
        sizes = "".join(f", {name} {size}" for name, size in self.tiles.items())
        return f"{self.kernel}, {DATAFLOWS.get(self.dataflow, self.dataflow)}{sizes}"


@dataclass(frozen=True)
class Schedule:
    """Of a whole model.

    Attributes:
        model: the SHA-256 of its .tflite file, in hexadecimal.
        hardware: the machine that it was chosen for, as ``plan --hardware`` takes it, or a core's name.
        layers: those with a schedule; the others are computed as without one.
    """

    model: str
    hardware: str
    layers: tuple[LayerSchedule, ...]

    @property
    def by_op(self) -> Mapping[int, LayerSchedule]:
        """The layers by their index in the file."""
        return MappingProxyType({layer.op: layer for layer in self.layers})

    @property
    def text(self) -> str:
        """As the delegate's option ``schedule`` takes it: ``3:neon64:ws:pixels=48,blocks=2;5:neon64rs:rs:rows=4``."""
        return ";".join(
            f"{layer.op}:{layer.kernel}:{layer.dataflow}:{','.join(f'{k}={v}' for k, v in layer.tiles.items())}"
            for layer in self.layers
        )

    def of_ops(self, ops: Sequence[int]) -> Schedule:
        """For a file that has only these of the ops, in this order."""
        places = {op: place for place, op in enumerate(ops)}
        layers = tuple(replace(layer, op=places[layer.op]) for layer in self.layers if layer.op in places)
        return replace(self, layers=layers)


@dataclass(frozen=True)
class TileSizes:
    """The sizes that a tile can have: multiples of ``step``, and ``most``, which takes in all that there is."""

    step: int
    most: int

    def __contains__(self, size: int) -> bool:
        return 0 < size <= self.most and (size % self.step == 0 or size == self.most)

    def __str__(self) -> str:
        if self.most <= self.step:
            return str(self.most)
        return f"1 to {self.most}" if self.step == 1 else f"multiples of {self.step} below {self.most}, or {self.most}"

    @property
    def tried(self) -> tuple[int, ...]:
        """Those that a search tries: each twice the one before, and the greatest."""
        doubled = itertools.takewhile(lambda size: size < self.most, (self.step << i for i in itertools.count()))
        return (*doubled, self.most)


@dataclass(frozen=True)
class KernelSpace:
    """What a kernel can do for one layer.

    Attributes:
        kernel: its name.
        orders: by dataflow, the tiles by name.
    """

    kernel: str
    orders: Mapping[str, Mapping[str, TileSizes]]

    def candidates(self, op: int, name: str) -> Iterator[LayerSchedule]:
        """Every order with every size that a search tries, of the layer ``op`` that is called ``name``."""
        for dataflow, tiles in self.orders.items():
            for sizes in itertools.product(*(tile.tried for tile in tiles.values())):
                chosen = MappingProxyType(dict(zip(tiles, sizes, strict=True)))
                yield LayerSchedule(op, name, self.kernel, dataflow, chosen)

    def check(self, layer: LayerSchedule, where: str) -> None:
        """Refuses what is not in the space.

        Args:
            layer: of this kernel.
            where: the file, for messages.

        Raises:
            InputError: an order that the kernel cannot take, or a tile that it does not have or cannot have in that
                size; the message says what is allowed.
        """
        at = f"{where}: op {layer.op} ({layer.name})"
        tiles = self.orders.get(layer.dataflow)
        if tiles is None:
            raise InputError(one_line(f"{at}: {self.kernel} takes {_either(self.orders)} here, not {layer.dataflow!r}"))
        if set(layer.tiles) != set(tiles):
            given = ", ".join(layer.tiles) or "none"
            wanted = ", ".join(tiles) or "no tiles"
            raise InputError(one_line(f"{at}: {self.kernel} cuts by {wanted}; the schedule gives {given}"))
        for tile, size in layer.tiles.items():
            if size not in tiles[tile]:
                raise InputError(one_line(f"{at}: {tile} {size} is not possible here; allowed: {tiles[tile]}"))


def check(schedule: Schedule, spaces: Mapping[int, Sequence[KernelSpace]], where: str) -> None:
    """Refuses what no kernel can follow.

    Args:
        schedule: of a model.
        spaces: for each of the model's ops that a schedule can be given, what the kernels can do there.
        where: the file, for messages.

    Raises:
        InputError: a layer that takes no schedule, an unknown kernel, or a point outside of a kernel's space.
    """
    for layer in schedule.layers:
        at = f"{where}: op {layer.op} ({layer.name})"
        if layer.op not in spaces:
            raise InputError(one_line(f"{at}: no kernel there takes a schedule; take the layer out of the file"))
        found = {space.kernel: space for space in spaces[layer.op]}
        if layer.kernel not in found:
            raise InputError(one_line(f"{at}: there is no kernel {layer.kernel!r} for it; use {_either(found)}"))
        found[layer.kernel].check(layer, where)


def check_model(schedule: Schedule, model: bytes, where: str) -> None:
    """Raises InputError if the schedule is of another .tflite file than ``model``. ``where``: the schedule's file."""
    if schedule.model != digest(model):
        raise InputError(
            f"{where}: was made for another model (its SHA-256 begins with {schedule.model[:12]}, this file's with "
            f"{digest(model)[:12]}); make one with edgebnn plan --save-schedule"
        )


def write(schedule: Schedule, path: Path) -> None:
    """Write ``schedule`` as JSON: the file appears whole or not at all. Raises InputError if it cannot be written."""
    write_text(path, to_text(schedule))


def to_text(schedule: Schedule) -> str:
    """``schedule`` as JSON, which :func:`parse` reads."""
    layers = [{**vars(layer), "tiles": dict(layer.tiles)} for layer in schedule.layers]
    value = {"format": FORMAT, "model": schedule.model, "hardware": schedule.hardware, "layers": layers}
    return json.dumps(value, indent=2) + "\n"


def read(path: Path) -> Schedule:
    """The schedule that a file holds; whether the kernels can follow it, :func:`check` says.

    Raises:
        InputError: the file cannot be read or is no schedule; the message names the layer.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not text in UTF-8") from None
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None
    return parse(text, str(path))


def parse(text: str, path: str) -> Schedule:
    """The schedule that a text holds; ``path``: its file, for messages. Raises InputError as :func:`read` does."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(one_line(f"{path}: is no JSON ({error})")) from None
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        remedy = "edgebnn plan --save-schedule makes one"
        raise InputError(f'{path}: is no schedule, whose "format" is "{FORMAT}"; {remedy}')
    listed = _field(value, "layers", list, path)
    layers = tuple(_layer(item, f"{path}: layers[{i}]") for i, item in enumerate(listed))
    ops = [layer.op for layer in layers]
    twice = [layer for layer in layers if ops.count(layer.op) > 1]
    if twice:
        raise InputError(one_line(f"{path}: op {twice[0].op} ({twice[0].name}) has two schedules; leave one"))
    model = _field(value, "model", str, path)
    if len(model) != 64 or not set(model) <= set("0123456789abcdef"):
        raise InputError(f'{path}: "model" must be the SHA-256 of the .tflite file, 64 hexadecimal digits')
    return Schedule(model, _field(value, "hardware", str, path), layers)


def _layer(value: object, where: str) -> LayerSchedule:
    if not isinstance(value, dict):
        raise InputError(f"{where}: must be an object with op, name, kernel, dataflow and tiles")
    op = _field(value, "op", int, where)
    if op < 0:
        raise InputError(f"{where}: op {op} is no index")
    name = _field(value, "name", str, where)
    where = one_line(f"{where} ({name})")
    dataflow = _word(value, "dataflow", where)
    if dataflow not in DATAFLOWS:
        raise InputError(one_line(f"{where}: dataflow {dataflow!r} is unknown; use {_either(DATAFLOWS)}"))
    tiles = _field(value, "tiles", dict, where)
    for tile, size in tiles.items():
        if not _is_word(tile) or type(size) is not int or not 0 < size < 2**31:
            raise InputError(one_line(f"{where}: tiles must be names with positive sizes, not {tile!r}: {size!r}"))
    return LayerSchedule(op, name, _word(value, "kernel", where), dataflow, MappingProxyType(dict(tiles)))


_TYPES = MappingProxyType({str: "a string", int: "an integer", list: "a list", dict: "an object"})


def _field(value: Mapping[str, Any], key: str, kind: type[Any], where: str) -> Any:
    if type(value.get(key)) is not kind:
        raise InputError(f'{where}: "{key}" must be {_TYPES[kind]}')
    return value[key]


def _word(value: Mapping[str, Any], key: str, where: str) -> str:
    word = _field(value, key, str, where)
    if not _is_word(word):
        raise InputError(one_line(f"{where}: {key} {word!r} is no name"))
    return str(word)


def _is_word(text: str) -> bool:
    """Letters, digits and _: what has no meaning of its own in the delegate's option."""
    return text.isascii() and text.replace("_", "a").isalnum()


def _either(names: Mapping[str, object]) -> str:
    return " or ".join(names)
