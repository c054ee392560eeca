"""How long layers take on one device, by their channels: measured at some channel counts, interpolated between them.

Times are milliseconds, or what a device has in their place, such as instructions (:attr:`Device.unit`).

Channels cost in steps, the channel granularity of the kernels: a binary kernel reads its inputs in words of 32, and
every kernel computes several outputs at a time. A count is therefore read as the next multiple, and times between
measured multiples are interpolated linearly in both counts (NetAdapt's table, Yang et al. 2018, section 3.3, has no
such steps).
"""

from __future__ import annotations

import hashlib
import json
import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from edgebnn.arithmetic.packing import WORD_BITS
from edgebnn.errors import InputError
from edgebnn.files import unreadable, write_text
from edgebnn.pruning.channels.layers import LayerShape

FORMAT = 1
KINDS = ("measured", "emulated", "simulated", "estimated")

Point: TypeAlias = tuple[int, int]
"""(input channels, output channels)."""


@dataclass(frozen=True)
class Granularity:
    """How many output channels kernels compute at a time, by the precision of their layers.

    Attributes:
        w1a1: kernels of binary layers.
        w1a8: kernels of layers with 1-bit weights and 8-bit activations.
        other: what else runs layers, vectors of 8.
    """

    w1a1: int = 8
    w1a8: int = 8
    other: int = 8

    def steps(self, shape: LayerShape) -> Point:
        """In which steps (input, output) channels cost, for layers of the signature ``shape``."""
        groups = max(1, shape.groups)
        outputs = {"w1a1": self.w1a1, "w1a8": self.w1a8}.get(shape.precision, self.other)
        return math.lcm(WORD_BITS if shape.precision == "w1a1" else self.other, groups), math.lcm(outputs, groups)


@dataclass(frozen=True)
class Device:
    """What a table's times hold for, and no other.

    Attributes:
        name: of the machine.
        kernels: their version.
        kind: one of :data:`KINDS`.
        unit: of the times: "ms", or what a simulated core counts, "instructions" or "cycles".
    """

    name: str
    kernels: str
    threads: int
    kind: str = "measured"
    granularity: Granularity = Granularity()
    unit: str = "ms"

    def __str__(self) -> str:
        return f"{self.name}, kernels {self.kernels}, {self.threads} thread{'s' * (self.threads != 1)}, {self.kind}"


def signature(layer: LayerShape) -> LayerShape:
    """The layer without its name and channels: layers of one signature share their samples.

    A depthwise convolution keeps its multiplier, as ``out_channels``, and has 0 ``groups``.
    """
    if layer.groups == layer.in_channels > 1:
        return replace(layer, name="", in_channels=0, out_channels=layer.out_channels // layer.in_channels, groups=0)
    return replace(layer, name="", in_channels=0, out_channels=0)


def point(layer: LayerShape) -> Point:
    """Where the layer stands among the samples of its signature; the outputs of a depthwise one follow its inputs."""
    return layer.in_channels, 0 if layer.groups == layer.in_channels > 1 else layer.out_channels


def layer_at(shape: LayerShape, where: Point) -> LayerShape:
    """The layer of signature ``shape`` with these channels, to be measured."""
    inputs, outputs = where
    name = f"{shape.kind}_{inputs}_{outputs}"
    if shape.groups == 0:
        return replace(shape, name=name, in_channels=inputs, out_channels=inputs * shape.out_channels, groups=inputs)
    return replace(shape, name=name, in_channels=inputs, out_channels=outputs)


@dataclass(frozen=True)
class Entry:
    """What is known of one signature.

    Attributes:
        inputs, outputs: ascending channel counts; every pair of them is to be measured.
        samples: times of those pairs, and of others that helped to choose them.
        held_back: samples that no interpolation uses: (inputs, outputs, measured, predicted from the others).
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    samples: Mapping[Point, float] = field(default_factory=dict)
    held_back: tuple[tuple[int, int, float, float], ...] = ()

    def missing(self) -> list[Point]:
        """Pairs that are not measured yet."""
        return [(i, o) for i in self.inputs for o in self.outputs if (i, o) not in self.samples]

    def covers(self, where: Point) -> bool:
        return all(
            counts[0] <= count <= counts[-1] for count, counts in zip(where, (self.inputs, self.outputs), strict=True)
        )

    def at(self, where: Point, steps: Point) -> float:
        """The time, interpolated; the point must be covered, and no pair missing. ``steps``: those of the
        :class:`Granularity`."""
        inputs, outputs = _up(where[0], steps[0], self.inputs), _up(where[1], steps[1], self.outputs)
        place = bisect_left(self.inputs, inputs)
        around = self.inputs[place : place + 1] if self.inputs[place] == inputs else self.inputs[place - 1 : place + 1]
        times = [np.interp(outputs, self.outputs, [self.samples[i, o] for o in self.outputs]) for i in around]
        return float(np.interp(inputs, around, times))


def _up(count: int, step: int, sampled: Sequence[int]) -> int:
    """The next multiple, or a sampled count on the way there."""
    return min(-(-count // step) * step, sampled[bisect_left(sampled, count)])


@dataclass(frozen=True)
class LatencyTable:
    """Times of layers on ``device``, by signature. ``date`` is that of the last measurement, as ISO 8601.

    ``between`` is what a network takes besides its layers, as time for each element that they give out: see
    :meth:`calibrated`.
    """

    device: Device
    date: str
    entries: Mapping[LayerShape, Entry] = field(default_factory=dict)
    between: float = 0.0

    def latency(self, layers: Sequence[LayerShape]) -> float:
        """The time of a network of ``layers``. Raises :class:`InputError` for one the table does not cover."""
        return sum(map(self.layer, layers)) + self.between * sum(map(_elements, layers))

    def calibrated(self, layers: Sequence[LayerShape], whole: float) -> LatencyTable:
        """The table for networks cut out of the one of ``layers``, which takes ``whole`` as measured.

        What its layers alone do not explain lies between them (additions, pooling) and shrinks with the feature maps;
        nothing does where they took longer alone.
        """
        rest = max(0.0, whole - sum(map(self.layer, layers)))
        return replace(self, between=rest / sum(map(_elements, layers)))

    def layer(self, layer: LayerShape) -> float:
        """The time of one layer. Raises :class:`InputError` if the table does not cover it."""
        shape, where = signature(layer), point(layer)
        entry = self.entries.get(shape)
        if entry is None or not entry.covers(where) or entry.missing():
            raise InputError(
                f"{layer.name}: the latency table of {self.device.name} does not cover a {layer.kind} like this with "
                f"{layer.in_channels} inputs and {layer.out_channels} outputs; extend the table for this network"
            )
        return entry.at(where, self.device.granularity.steps(shape))

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
            "date": self.date,
            "samples": sum(len(entry.samples) for entry in self.entries.values()),
            "held_back": len(errors),
            "median_error": float(np.median(errors)) if errors else None,
            "max_error": max(errors) if errors else None,
            "between": self.between,
            "content": hashlib.sha256(content).hexdigest()[:16],
        }

    def save(self, path: Path) -> None:
        """Write atomically. Raises :class:`InputError` where that is impossible."""
        write_text(path, json.dumps(self._as_json(), indent=1))

    def _as_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "device": asdict(self.device),
            "unit": self.device.unit,
            "date": self.date,
            "between": self.between,
            "entries": [
                {
                    "layer": asdict(shape),
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
            device_there = dict(content["device"])
            theirs = Device(**{**device_there, "granularity": Granularity(**device_there.get("granularity", {}))})
            entries = dict(map(_entry, content["entries"]))
            date, between = str(content["date"]), float(content["between"])
        except OSError as error:
            raise unreadable(path, error) from None
        except (ValueError, KeyError, TypeError):
            raise InputError(f"{path}: is no latency table, or a damaged one; remove it") from None
        if theirs != device:
            raise InputError(
                f"{path}: was made for another device ({theirs}) than this ({device}); times hold for one only: "
                f"choose another file"
            )
        return LatencyTable(device, date, entries, between)


def _elements(layer: LayerShape) -> int:
    """Of the layer's output."""
    return layer.output_size[0] * layer.output_size[1] * layer.out_channels


def _entry(content: Mapping[str, Any]) -> tuple[LayerShape, Entry]:
    layer: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in content["layer"].items()
    }
    shape = LayerShape(**layer)
    samples = {(inputs, outputs): float(time) for inputs, outputs, time in content["samples"]}
    held_back = tuple((i, o, float(time), float(predicted)) for i, o, time, predicted in content["held_back"])
    if not all(time > 0 for time in (*samples.values(), *(sample[2] for sample in held_back))):
        raise ValueError("times are positive")
    return shape, Entry(tuple(content["inputs"]), tuple(content["outputs"]), samples, held_back)
