"""How long layers take on one device, by their channels: measured at some channel counts, interpolated between them.

Channels cost in steps: a binary kernel reads its inputs in words of 32, and computes 8 outputs at a time; other kernels
work on vectors of 8. A count is therefore read as the next edge of such a stair, and times between measured edges are
interpolated linearly in both counts (NetAdapt's table, Yang et al. 2018, section 3.3, has no stairs).
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from edgebnn.errors import InputError
from edgebnn.files import unreadable, write_text
from edgebnn.pruning.layers import LayerShape

FORMAT = 1
KINDS = ("measured", "simulated", "estimated")

Point: TypeAlias = tuple[int, int]
"""(input channels, output channels)"""


@dataclass(frozen=True)
class Device:
    """What a table's times hold for, and no other: ``kind`` is one of :data:`KINDS`, ``kernels`` their version."""

    name: str
    kernels: str
    threads: int
    kind: str = "measured"

    def __str__(self) -> str:
        return f"{self.name}, kernels {self.kernels}, {self.threads} thread{'s' * (self.threads != 1)}, {self.kind}"


def signature(layer: LayerShape) -> LayerShape:
    """The layer without its name and channels: layers of one signature share their samples."""
    depthwise = layer.groups == layer.in_channels > 1
    return replace(layer, name="", in_channels=0, out_channels=0, groups=0 if depthwise else layer.groups)


def with_channels(shape: LayerShape, point: Point, name: str = "") -> LayerShape:
    """The layer of signature ``shape`` with so many (input, output) channels."""
    return replace(shape, name=name, in_channels=point[0], out_channels=point[1], groups=shape.groups or point[0])


def stairs(shape: LayerShape) -> Point:
    """The widths of the steps in which (input, output) channels cost, for layers of a signature."""
    return (32, 8) if shape.precision == "w1a1" else (8, 8)


@dataclass(frozen=True)
class Entry:
    """What is known of one signature.

    Attributes:
        inputs, outputs: ascending channel counts; in a ``line`` the i-th of both belong together (a depthwise
            convolution, or one whose outputs are added to its inputs), else every pair of them is measured.
        samples: milliseconds; those of all pairs, and others that helped to choose them.
        held_back: points that no interpolation uses: (inputs, outputs, measured, predicted from the other samples).
    """

    line: bool
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    samples: Mapping[Point, float]
    held_back: tuple[tuple[int, int, float, float], ...] = ()

    def points(self) -> list[Point]:
        """Where samples must be."""
        if self.line:
            return list(zip(self.inputs, self.outputs, strict=True))
        return [(i, o) for i in self.inputs for o in self.outputs]

    def covers(self, point: Point) -> bool:
        inside = self.inputs[0] <= point[0] <= self.inputs[-1] and self.outputs[0] <= point[1] <= self.outputs[-1]
        on_line = point[0] * self.outputs[-1] == point[1] * self.inputs[-1]
        return inside and (on_line or not self.line)

    def at(self, point: Point, stair: Point) -> float:
        """Milliseconds, interpolated; the point must be covered."""
        inputs = _up(point[0], stair[0], self.inputs)
        if self.line:
            times = [self.samples[sampled] for sampled in self.points()]
            return float(np.interp(inputs, self.inputs, times))
        low, high = _around(inputs, self.inputs)
        outputs = _up(point[1], stair[1], self.outputs)
        ends = [
            float(np.interp(outputs, self.outputs, [self.samples[i, o] for o in self.outputs])) for i in (low, high)
        ]
        return float(np.interp(inputs, (low, high), ends)) if low < high else ends[0]


def _up(count: int, stair: int, sampled: Sequence[int]) -> int:
    """The next edge, but no further than samples reach, nor past one that lies between."""
    if count in sampled:
        return count
    edge = -(-count // stair) * stair
    return min(edge, sampled[bisect_left(sampled, count)])


def _around(count: int, sampled: Sequence[int]) -> tuple[int, int]:
    place = bisect_left(sampled, count)
    return (sampled[place], sampled[place]) if sampled[place] == count else (sampled[place - 1], sampled[place])


@dataclass(frozen=True)
class LatencyTable:
    """Times of layers on ``device``, by signature. ``date`` is that of the last measurement, as ISO 8601."""

    device: Device
    date: str
    entries: Mapping[LayerShape, Entry] = field(default_factory=dict)

    def latency(self, layers: Sequence[LayerShape]) -> float:
        """Milliseconds of all layers together. Raises :class:`InputError` for a layer the table does not cover."""
        return sum(map(self.layer, layers))

    def layer(self, layer: LayerShape) -> float:
        """Milliseconds of one layer. Raises :class:`InputError` if the table does not cover it."""
        shape, point = signature(layer), (layer.in_channels, layer.out_channels)
        entry = self.entries.get(shape)
        if entry is None or not entry.covers(point):
            raise InputError(
                f"{layer.name}: the latency table of {self.device.name} has no {layer.kind} like this with "
                f"{point[0]} inputs and {point[1]} outputs; have it extended for this network"
            )
        return entry.at(point, stairs(shape))

    def errors(self) -> list[float]:
        """Of every held-back sample, |predicted - measured| / measured."""
        return [
            abs(predicted - measured) / measured
            for entry in self.entries.values()
            for _, _, measured, predicted in entry.held_back
        ]

    def describe(self) -> dict[str, Any]:
        """What a reader of results must know of the table."""
        errors = self.errors()
        content = json.dumps(self._as_json()["entries"]).encode()
        return {
            **asdict(self.device),
            "unit": "ms",
            "date": self.date,
            "samples": sum(len(entry.samples) for entry in self.entries.values()),
            "held_back": len(errors),
            "median_error": float(np.median(errors)) if errors else None,
            "max_error": max(errors) if errors else None,
            "content": hashlib.sha256(content).hexdigest()[:16],
        }

    def save(self, path: Path) -> None:
        """Write atomically. Raises :class:`InputError` where that is impossible."""
        write_text(path, json.dumps(self._as_json(), indent=1))

    def _as_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "device": asdict(self.device),
            "unit": "ms",
            "date": self.date,
            "entries": [
                {
                    "layer": asdict(shape),
                    "line": entry.line,
                    "inputs": entry.inputs,
                    "outputs": entry.outputs,
                    "samples": [[*point, time] for point, time in sorted(entry.samples.items())],
                    "held_back": entry.held_back,
                }
                for shape, entry in self.entries.items()
            ],
        }

    @staticmethod
    def load(path: Path, device: Device) -> LatencyTable:
        """The table in ``path``. Raises :class:`InputError` for a damaged one, or that of another device."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["format"] != FORMAT:
                raise InputError(f"{path}: is a latency table of format {content['format']}, not {FORMAT}; remove it")
            theirs = Device(**content["device"])
            entries = dict(map(_entry, content["entries"]))
            date = str(content["date"])
        except OSError as error:
            raise unreadable(path, error) from None
        except (ValueError, KeyError, TypeError):
            raise InputError(f"{path}: is no latency table, or a damaged one; remove it") from None
        if theirs != device:
            raise InputError(
                f"{path}: was made for another device ({theirs}) than this ({device}); times hold for one only: "
                f"choose another file"
            )
        return LatencyTable(device, date, entries)


def _entry(content: Mapping[str, Any]) -> tuple[LayerShape, Entry]:
    layer: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in content["layer"].items()
    }
    shape = LayerShape(**layer)
    samples = {(inputs, outputs): float(time) for inputs, outputs, time in content["samples"]}
    entry = Entry(
        bool(content["line"]),
        tuple(content["inputs"]),
        tuple(content["outputs"]),
        samples,
        tuple((i, o, measured, predicted) for i, o, measured, predicted in content["held_back"]),
    )
    for point in entry.points():
        if not samples[point] > 0:
            raise ValueError(point)
    return shape, entry
