#!/usr/bin/env python3
"""The model of data references and cache misses (edgebnn/dataflow/references.py) against valgrind's cachegrind: the
kernels of this machine run one layer by one schedule, with the caches of a Raspberry Pi 3, 4 or 5.

Usage: .venv/bin/python -m tools.bench.cachegrind [--json FILE] [--markdown FILE] [--caches NAME] [--every]

Needs valgrind, binutils and a C compiler. Counts are simulated: exact, and the same on every run of the same program.
valgrind 3.19 knows no AVX-512.
"""

from __future__ import annotations

import argparse
import re
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from json import dumps
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgebnn.dataflow.caches import Cache
from edgebnn.dataflow.hardware import load
from edgebnn.dataflow.references import References, references
from edgebnn.dataflow.touches import Placement
from edgebnn.errors import EdgebnnError, InputError
from edgebnn.files import write_text
from edgebnn.kernels.schedules import LayerSchedule
from edgebnn.kernels.spaces import LayerShape, spaces
from edgebnn.runtime import build
from tools.bench.arm_mca import OUTPUTS, encode_case

PACKAGE = "valgrind"
ONE_LAYER = build.Source(Path(__file__).parent / "one_layer.c")
FLAGS = (*(flag for flag in build.COMPILE_FLAGS if flag != "-fPIC"), "-fno-tree-loop-distribute-patterns")
"""For a static program: its arrays lie where the linker puts them. No loop in its memcpy becomes a call of memcpy."""

CACHES: Mapping[str, tuple[Cache, Cache]] = {
    "pi3": (Cache("L1", 32 << 10, 4), Cache("L2", 512 << 10, 16)),
    "pi4": (Cache("L1", 32 << 10, 2), Cache("L2", 1 << 20, 16)),
    "pi5": (Cache("L1", 64 << 10, 4), Cache("L2", 512 << 10, 8)),
}
"""What cachegrind simulates: two levels. Of the Pi 5 the L2, the last of a core's own. The Zero 2 W is like a Pi 3."""
HARDWARE = {"pi3": "pi-zero-2w", "pi4": "pi4", "pi5": "pi5"}
"""The machine whose figures say what a miss costs."""
KERNELS = {"bconv2d": ("avx2", "sse4", "portable"), "w1a8": ("avx2", "portable")}
SIZES: Mapping[str, Sequence[tuple[str, tuple[int, int]]]] = {
    "bconv2d": (("os", (8, 2)), ("os", (48, 8)), ("os", (192, 2)), ("ws", (48, 2))),
    "w1a8": (("os", (1, 64)), ("os", (4, 64)), ("ws", (2, 1))),
}
"""Orders and tiles, of pixels or rows and of blocks, that every layer is compared under."""


@dataclass(frozen=True)
class Layer:
    """A convolution with SAME padding over a square image, with a square filter. Channels are those of all groups."""

    size: int
    channels_in: int
    channels_out: int
    filter: int = 3
    stride: int = 1
    dilation: int = 1
    groups: int = 1
    output: str = "float32"
    zeros: bool = False
    operation: str = "bconv2d"

    @property
    def name(self) -> str:
        parts = [
            f"{self.filter}x{self.filter} {self.size}x{self.size}x{self.channels_in} to {self.channels_out}",
            *([f"stride {self.stride}"] if self.stride > 1 else []),
            *([f"dilation {self.dilation}"] if self.dilation > 1 else []),
            *([f"{self.groups} groups"] if self.groups > 1 else []),
            *(["zero padding"] if self.zeros else []),
        ]
        return ", ".join(parts)

    @property
    def out_size(self) -> int:
        return -(-self.size // self.stride)

    @property
    def terms(self) -> int:
        """Products of one output."""
        return self.filter**2 * self.channels_in // self.groups

    @property
    def shape(self) -> LayerShape:
        reach = (self.out_size - 1) * self.stride + (self.filter - 1) * self.dilation + 1
        return LayerShape(
            operation=self.operation,
            batch=1,
            in_size=(self.size, self.size),
            out_size=(self.out_size, self.out_size),
            filter_size=(self.filter, self.filter),
            stride=(self.stride, self.stride),
            dilation=(self.dilation, self.dilation),
            in_channels=self.channels_in,
            out_channels=self.channels_out,
            groups=self.groups,
            output_type={"packed": "int32"}.get(self.output, self.output),
            padded=reach > self.size,
            pads_with_zeros=reach > self.size and self.zeros,
        )

    def encode(self) -> bytes:
        """As run_cases.c reads it, with weights and inputs drawn at random."""
        rng = np.random.default_rng(1)
        axes = (self.size, self.filter, self.stride, self.dilation)
        window = (1, *(n for axis in axes for n in (axis, axis)), 0, 0, 0, 0, 0)
        words = -(-self.channels_in // self.groups // 32)

        def draw(*shape: int) -> NDArray[np.int32]:
            return rng.integers(-(2**31), 2**31, shape).astype(np.int32)

        filters = draw(self.channels_out, self.filter, self.filter, words)
        channels = (self.channels_in, self.channels_out, self.groups)
        if self.operation == "w1a8":
            packed = struct.pack("<23i", *window, *channels, 0, -3, 5, -128, 127, 0)
            magnitude, bias = np.full((2, self.channels_out), 127, np.int32)
            factor = np.full(self.channels_out, 1 / 127 / self.terms**0.5)
            x = rng.integers(-128, 128, (self.size, self.size, self.channels_in)).astype(np.int8)
            return encode_case(4, packed, (x, filters, magnitude, bias, factor))
        packed = struct.pack("<20ifi", *window, *channels, int(not self.zeros), 0, OUTPUTS[self.output], 1.0, 0)
        multiplier, bias = np.full((2, self.channels_out), 0.125, np.float32)
        threshold = np.full(self.channels_out, self.terms // 2, np.int32)
        residual = np.zeros(0, np.float32)  # nothing is added
        signs = draw(self.size, self.size, words * self.groups)
        return encode_case(0, packed, (signs, filters, multiplier, bias, threshold, residual))


LAYERS = (
    Layer(56, 64, 64),
    Layer(28, 128, 128, output="int8"),
    Layer(14, 256, 256, output="packed"),
    Layer(7, 512, 512),
    Layer(56, 64, 128, stride=2, output="int8"),
    Layer(28, 256, 256, filter=1),
    Layer(14, 512, 512, filter=1, output="packed"),
    Layer(32, 32, 32, output="packed"),
    Layer(28, 96, 80, filter=5),
    Layer(28, 128, 128, groups=2, output="int8"),
    Layer(28, 128, 128, zeros=True),
    Layer(20, 64, 72, dilation=2, output="packed"),
    Layer(14, 320, 40, output="int8"),
    Layer(9, 1024, 256, filter=1, zeros=True, output="int8"),
)
"""None of those that references were counted on (edgebnn/dataflow/kernel_lines.py)."""
W1A8_LAYERS = (
    Layer(28, 64, 64, output="int8", operation="w1a8"),
    Layer(14, 128, 128, output="int8", operation="w1a8"),
    Layer(7, 256, 256, output="int8", operation="w1a8"),
    Layer(28, 32, 64, stride=2, output="int8", operation="w1a8"),
    Layer(14, 256, 96, filter=1, output="int8", operation="w1a8"),
    Layer(20, 48, 40, groups=2, output="int8", operation="w1a8"),
    Layer(16, 24, 72, dilation=2, output="int8", operation="w1a8"),
    Layer(12, 64, 80, filter=5, output="int8", operation="w1a8"),
)


@dataclass(frozen=True)
class Counted:
    """By cachegrind, of one run of a layer from cold caches on."""

    references: int
    misses: tuple[int, int]

    @property
    def values(self) -> tuple[int, int, int]:
        return (self.references, *self.misses)


@dataclass(frozen=True)
class Program:
    """one_layer.c, compiled with the kernels for this machine."""

    path: Path

    @staticmethod
    def compiled(folder: Path) -> Program:
        """Raises BuildError."""
        path = folder / "one_layer"
        sources = [*build.kernel_sources(), ONE_LAYER]
        build.compile(path, sources, build.find_compiler(), FLAGS, ("-static", "-no-pie"))
        return Program(path)

    def placement(self, layer: Layer, schedule: LayerSchedule) -> Placement:
        """Where the arrays of a layer lie, under all schedules of a kernel."""
        with tempfile.TemporaryDirectory() as folder:
            case = Path(folder) / "case"
            case.write_bytes(layer.encode())
            places = _run([str(self.path), str(case), "64", "0", text_of(schedule)]).split()
        stack, plan, *arrays = map(int, places)
        table, literals = self._constants(f"{layer.operation}_{schedule.kernel}")
        return Placement(stack - 24, plan, table, literals, *arrays)

    def _constants(self, stem: str) -> tuple[int, int]:
        """Addresses of a kernel's look-up table and of the first number beside its program; 0: none."""
        symbols = _run(["readelf", "--syms", "--wide", str(self.path)]).splitlines()
        table, file = 0, ""
        for words in map(str.split, symbols):
            if len(words) == 8 and words[3] == "FILE":
                file = words[7]
            elif len(words) == 8 and words[3] == "OBJECT" and words[7] == "table" and file == f"{stem}.c":
                table = int(words[1], 16)
        code = _run(["objdump", "-d", "--no-show-raw-insn", f"--disassemble=eb_{stem}", str(self.path)])
        literals = [int(address, 16) for address in re.findall(r"\(%rip\).*# ([0-9a-f]+) <", code)]
        return table, min(literals, default=0) // 64 * 64

    def count(self, layer: Layer, schedules: Sequence[LayerSchedule], caches: Sequence[Cache]) -> list[Counted]:
        """Of each schedule: the difference of two runs of the program, one of which ends before it."""
        wanted = ["none", *map(text_of, schedules)]
        with tempfile.TemporaryDirectory() as folder:
            case, counts = Path(folder) / "case", Path(folder) / "counts"
            case.write_bytes(layer.encode())
            simulated = [
                f"--{option}={c.capacity},{c.ways},{c.line}" for option, c in zip(("D1", "LL"), caches, strict=True)
            ]
            valgrind = ["valgrind", "--tool=cachegrind", "--cache-sim=yes", f"--cachegrind-out-file={counts}"]
            totals = []
            for number in range(len(wanted) + 1):
                run = [str(self.path), str(case), str(2 * caches[-1].capacity), str(number), *wanted]
                _run([*valgrind, "--I1=32768,4,64", *simulated, *run])
                totals.append(_totals(counts.read_text(encoding="utf-8")))
        cold, *runs = np.diff(np.array(totals), axis=0)
        return [Counted(int(n[0]), (int(n[1]), int(n[2]))) for n in (run - cold for run in runs)]


@dataclass(frozen=True)
class Comparison:
    """One layer under one schedule with one machine's caches: predicted (estimated) and counted (simulated)."""

    kernel: str
    layer: str
    output: str
    schedule: str
    caches: str
    predicted: Counted
    counted: Counted

    @property
    def errors(self) -> tuple[float, float, float]:
        """Of references, misses of the first level, and of the last, relative to what was counted."""
        quotients = np.array(self.predicted.values) / np.array(self.counted.values) - 1
        return float(quotients[0]), float(quotients[1]), float(quotients[2])

    def cost(self, counts: Counted) -> float:
        """In cycles: one for a reference; for a miss, what a line takes from the level behind."""
        return References(counts.references, counts.misses, {}).cycles(load(HARDWARE[self.caches]))


def text_of(schedule: LayerSchedule) -> str:
    """As the kernels read it."""
    tiles = ",".join(f"{name}={size}" for name, size in schedule.tiles.items())
    return f"{schedule.kernel}:{schedule.dataflow}:{tiles}"


def schedules_of(layer: Layer, kernel: str, *, every: bool = False) -> list[LayerSchedule]:
    """Those that a layer is compared under; with ``every``, all that a search tries."""
    (space,) = spaces(layer.shape, [kernel])
    if every:
        return list(space.candidates(0, layer.name))
    found = []
    for dataflow, sizes in SIZES[layer.operation]:
        tiles = space.orders[dataflow]
        rounded = {
            name: tile.most if size >= tile.most else max(tile.step, size // tile.step * tile.step)
            for (name, tile), size in zip(tiles.items(), sizes, strict=True)
        }
        found.append(LayerSchedule(0, layer.name, kernel, dataflow, rounded))
    return [one for i, one in enumerate(found) if one not in found[:i]]


def compare(
    program: Program, layer: Layer, schedules: Sequence[LayerSchedule], machines: Sequence[str]
) -> Iterator[Comparison]:
    """A layer under schedules of one kernel, with several machines' caches."""
    place = program.placement(layer, schedules[0])
    for machine in machines:
        counted = program.count(layer, schedules, CACHES[machine])
        for schedule, counts in zip(schedules, counted, strict=True):
            found = references(layer.shape, schedule, CACHES[machine], place)
            predicted = Counted(found.references, (found.misses[0], found.misses[1]))
            title = f"{layer.operation} {schedule.kernel}", layer.name, layer.output, text_of(schedule)
            yield Comparison(*title, machine, predicted, counts)


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float:
    """Spearman's: the correlation of ranks, equals sharing the mean of theirs."""
    ranks = [np.array([(np.sum(x < v) + np.sum(x <= v)) / 2 for v in x]) for x in map(np.asarray, (first, second))]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _totals(text: str) -> tuple[int, int, int]:
    """Data references, misses of the first level and of the last, of a file of cachegrind's."""
    events = text.rpartition("events: ")[2].split("\n")[0].split()
    of = dict(zip(events, map(int, text.rpartition("summary: ")[2].split()), strict=True))
    return of["Dr"] + of["Dw"], of["D1mr"] + of["D1mw"], of["DLmr"] + of["DLmw"]


def _run(command: Sequence[str]) -> str:
    """Standard output, of a process without an environment, whose size would move the stack. Raises InputError."""
    if shutil.which(command[0]) is None:
        raise InputError(f"{command[0]} is not installed; apt-get install {PACKAGE} binutils")
    path = shutil.which(command[0]) or command[0]
    result = subprocess.run([path, *command[1:]], capture_output=True, text=True, check=False, env={})
    if result.returncode != 0:
        raise InputError(
            f"{command[0]}: {result.stderr.strip().splitlines()[-1] if result.stderr.strip() else 'failed'}"
        )
    return result.stdout


def summary(comparisons: Sequence[Comparison]) -> dict[str, object]:
    """How far predictions are off, by machine: the greatest and mean errors, how many keep the bars, correlations."""
    found: dict[str, object] = {}
    for machine in CACHES:
        some = [c for c in comparisons if c.caches == machine]
        if not some:
            continue
        errors = np.abs(np.array([c.errors for c in some]))
        costs = [(c.cost(c.predicted), c.cost(c.counted)) for c in some]
        layers = {(c.kernel, c.layer, c.output) for c in some}
        within = [
            rank_correlation(
                *zip(
                    *[pair for c, pair in zip(some, costs, strict=True) if (c.kernel, c.layer, c.output) == layer],
                    strict=True,
                )
            )
            for layer in sorted(layers)
        ]
        found[machine] = {
            "cases": len(some),
            "greatest": dict(zip(QUANTITIES, errors.max(axis=0).tolist(), strict=True)),
            "mean": dict(zip(QUANTITIES, errors.mean(axis=0).tolist(), strict=True)),
            "within_bar": dict(zip(QUANTITIES, (errors <= BARS).sum(axis=0).tolist(), strict=True)),
            "rank_correlation": rank_correlation(*zip(*costs, strict=True)),
            "rank_correlation_within_layers": float(np.mean(within)),
        }
    return found


QUANTITIES = ("references", "L1 misses", "last-level misses")
BARS = (0.15, 0.15, 0.25)


def markdown(comparisons: Sequence[Comparison]) -> str:
    lines = [
        "Predicted (estimated) and counted (simulated by cachegrind): thousands of data references, misses of the",
        "first level and of the last.",
        "",
        "| kernel | layer | output | schedule | caches | references | L1 misses | last-level misses |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for c in comparisons:
        pairs = zip(c.predicted.values, c.counted.values, strict=True)
        cells = " | ".join(
            f"{predicted / 1e3:.1f}, {counted / 1e3:.1f} ({error:+.1%})"
            for (predicted, counted), error in zip(pairs, c.errors, strict=True)
        )
        lines.append(f"| {c.kernel} | {c.layer} | {c.output} | {c.schedule} | {c.caches} | {cells} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    parser.add_argument("--caches", choices=CACHES, action="append", help="of these machines only")
    parser.add_argument("--every", action="store_true", help="schedule that a search tries, not some")
    options = parser.parse_args()
    comparisons: list[Comparison] = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            program = Program.compiled(Path(folder))
            for layer in (*LAYERS, *W1A8_LAYERS):
                for kernel in KERNELS[layer.operation]:
                    print(f"counting {layer.name}, {layer.output}, {kernel}", file=sys.stderr, flush=True)
                    schedules = schedules_of(layer, kernel, every=options.every)
                    comparisons.extend(compare(program, layer, schedules, options.caches or list(CACHES)))
    except EdgebnnError as error:
        sys.exit(f"cachegrind: {error}")
    found = summary(comparisons)
    table = markdown(comparisons)
    print(table, dumps(found, indent=2), sep="\n")
    if options.markdown:
        write_text(options.markdown, table)
    if options.json:
        cases = [{**asdict(c), "errors": c.errors} for c in comparisons]
        write_text(options.json, dumps({"summary": found, "cases": cases}, indent=2) + "\n")


if __name__ == "__main__":
    main()
