#!/usr/bin/env python3
"""The planner's pick for each of some layers on Cortex-M against all schedules, and against the best fixed kernel.

Usage: .venv/bin/python -m tools.bench.schedules_cortex_m [--core NAME ...] [--fit] [--json FILE] [--markdown FILE]

Every candidate of every layer is compiled, run on the simulated core and its instructions counted, which is exact:
figures are simulated. With --fit the costs of all kernels are fitted to counts of other layers, and printed as the
kernels' tables hold them.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgebnn.converters.c_package.generate import generate
from edgebnn.converters.c_package.lowering import choices
from edgebnn.converters.c_package.lowering.choices import Candidate, Choices
from edgebnn.graph.execute import run
from edgebnn.graph.opdef import op_view
from edgebnn.graph.types import Array, DType, Graph
from edgebnn.kernels.cores import CORES, Core
from edgebnn.targets.cortex_m.image import Memory
from edgebnn.targets.cortex_m.machine import Machine
from edgebnn.targets.cortex_m.toolchain import compile_image
from tools.bench import layers
from tools.bench.layers import Layer
from tools.bench.publishing import command_line, publish

PACKED, INT8, FLOAT = DType.INT32, DType.INT8, DType.FLOAT32
MOST_MACS = 12_000_000


@dataclass(frozen=True)
class Case:
    """A layer: its family, its output and padding where it is binary, and its groups where it is W1A8."""

    family: str
    layer: Layer
    output: DType = PACKED
    pad_value: int = 1
    groups: int = 1

    @property
    def name(self) -> str:
        """As tables show it."""
        kinds = {PACKED: "packed", INT8: "int8", FLOAT: "float"}
        kind = f" {kinds[self.output]}" if self.family == "binary" else ""
        details = ("" if self.pad_value else ", zeros around") + (f", {self.groups} groups" if self.groups > 1 else "")
        return f"{self.family}{kind} {self.layer.name}{details}"

    @property
    def graph(self) -> Graph:
        if self.family == "binary":
            return layers.binary(self.layer, self.output, self.pad_value)
        return layers.w1a8(self.layer, self.groups) if self.family == "w1a8" else layers.int8(self.layer)

    @property
    def x(self) -> Array:
        if self.family == "binary":
            return layers.packed_input(self.layer)
        return np.random.default_rng(1).integers(-128, 128, self.graph.tensors[0].shape, np.int8)


@dataclass(frozen=True)
class Counted:
    """A layer with the instructions of each of its candidates."""

    case: Case
    choices: Choices
    counts: tuple[tuple[Candidate, int], ...]

    @property
    def best(self) -> tuple[Candidate, int]:
        return min(self.counts, key=lambda found: found[1])

    @property
    def picked(self) -> tuple[Candidate, int]:
        return next(found for found in self.counts if found[0] == self.choices.pick)

    def best_of(self, kernel: str) -> int | None:
        """By one kernel alone, whatever its tiles; None if it does not compute the layer."""
        return min((count for candidate, count in self.counts if candidate.schedule.kernel == kernel), default=None)


STUDIED = (
    *(Case("binary", layer) for layer in (Layer(32, 8, 8), Layer(32, 16, 16), Layer(28, 16, 32), Layer(24, 32, 32))),
    *(
        Case("binary", layer)
        for layer in (Layer(16, 64, 64), Layer(8, 128, 128), Layer(4, 256, 256), Layer(14, 96, 24))
    ),
    *(Case("binary", layer) for layer in (Layer(40, 24, 8), Layer(16, 32, 64, stride=2), Layer(16, 64, 64, filter=1))),
    *(Case("binary", layer) for layer in (Layer(12, 32, 16, filter=5), Layer(2, 64, 96), Layer(1, 512, 10, filter=1))),
    *(Case("binary", layer, INT8) for layer in (Layer(32, 16, 16), Layer(16, 32, 32), Layer(4, 64, 64))),
    *(Case("binary", layer, PACKED, 0) for layer in (Layer(16, 32, 32), Layer(32, 16, 8))),
    *(Case("w1a8", layer) for layer in (Layer(32, 16, 16), Layer(16, 32, 32), Layer(8, 64, 64), Layer(16, 3, 16))),
    *(Case("w1a8", layer) for layer in (Layer(16, 16, 2), Layer(8, 128, 10, filter=1))),
    *(
        Case("int8", layer)
        for layer in (Layer(16, 16, 16), Layer(8, 64, 64), Layer(16, 3, 16), Layer(8, 64, 10, filter=1))
    ),
)
"""None of them is among those that costs are fitted to."""


ADDED = (
    *(Case("w1a8", layer, groups=2) for layer in (Layer(12, 16, 16), Layer(9, 32, 24, filter=1), Layer(7, 64, 32))),
    *(Case("w1a8", layer, groups=2) for layer in (Layer(10, 24, 8, stride=2), Layer(8, 40, 4, filter=5))),
    *(Case("w1a8", Layer(size, width, width), groups=width) for size, width in ((12, 8), (7, 32), (16, 16), (9, 64))),
    *(Case("w1a8", layer, groups=layer.channels_in) for layer in (Layer(11, 24, 24, 5), Layer(13, 16, 16, stride=2))),
    *(Case("w1a8", layer, groups=layer.channels_in) for layer in (Layer(8, 6, 6), Layer(10, 8, 16), Layer(14, 4, 4))),
    *(Case("int8", layer) for layer in (Layer(20, 3, 8), Layer(9, 3, 24), Layer(30, 3, 16, stride=2), Layer(12, 6, 8))),
    *(Case("int8", layer) for layer in (Layer(14, 10, 12), Layer(11, 1, 8), Layer(18, 2, 4, filter=5))),
)
"""Of the fit: grouped and depthwise layers, and first layers of a few channels."""


def fitted_to(count: int = 44) -> list[Case]:
    """Layers for the fit, drawn once and for all, that are not studied."""
    rng = random.Random(7)
    found: list[Case] = []
    while len(found) < count * 3:
        family = ("binary", "w1a8", "int8")[len(found) // count]
        layer = Layer(
            rng.choice([1, 2, 3, 5, 6, 7, 9, 10, 12, 13, 16, 18, 20, 22, 26, 30, 34, 36, 44, 50]),
            rng.choice([3, 4, 8, 12, 16, 20, 24, 32, 40, 48, 64, 80, 100, 128, 160]),
            rng.choice([1, 2, 4, 7, 8, 12, 16, 24, 32, 40, 48, 64, 80, 96]),
            rng.choice([1, 3, 3, 3, 5]),
            rng.choice([1, 1, 1, 2]),
        )
        case = Case(family, layer)
        if family == "binary":
            case = Case(
                family, layer, rng.choice([PACKED, PACKED, PACKED, INT8, INT8, FLOAT]), rng.choice([1, 1, 1, 0])
            )
            if case.pad_value == 0 and case.output == PACKED and layer.channels_in % 2:
                continue
        if layer.macs <= MOST_MACS / (1 if family == "binary" else 4) and case not in STUDIED:
            found.append(case)
    return [*found, *ADDED]


def count(cases: Sequence[Case], core: Core, seen: int = 12) -> list[Counted]:
    """Instructions of every candidate of every case, outputs compared with the reference.

    Args:
        cases: the layers.
        core: a simulated one.
        seen: how many layers are compiled at a time.

    Raises:
        AssertionError: a candidate's output differs from the reference's by a bit.
    """
    found: list[Counted] = []
    for first in range(0, len(cases), seen):
        print(f"{core.name}: layers {first} to {first + seen - 1} of {len(cases)}", file=sys.stderr, flush=True)
        found += _count_some(cases[first : first + seen], core)
    return found


def _count_some(cases: Sequence[Case], core: Core) -> list[Counted]:
    graphs = [case.graph for case in cases]
    made = [choices(op_view(graph, 0), core) for graph in graphs]
    packages = [
        (number, candidate, generate(graph, core, f"net{number}_{i}", [replace(candidate.schedule, op=0)]))
        for number, (graph, of) in enumerate(zip(graphs, made, strict=True))
        if of is not None
        for i, candidate in enumerate(of.candidates)
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for _, _, package in packages:
            for file, text in package.files.items():
                (folder / file).write_text(text, encoding="utf-8")
        image = compile_image(
            core,
            sorted(folder.glob("*.c")),
            keep=[f"{package.name}_invoke" for _, _, package in packages],
            memory=Memory(flash_bytes=64 << 20, ram_bytes=16 << 20),
            flags=(f"-I{folder}",),
        )
    machine = Machine(image)
    counts: list[list[tuple[Candidate, int]]] = [[] for _ in cases]
    for number, candidate, package in packages:
        x = cases[number].x
        (expected,) = run(graphs[number], (x,))
        call = machine.call(f"{package.name}_invoke", x, np.zeros_like(expected))
        np.testing.assert_array_equal(call.arrays[1], expected)
        counts[number].append((candidate, call.instructions))
    return [
        Counted(case, of, tuple(counted))
        for case, of, counted in zip(cases, made, counts, strict=True)
        if of is not None
    ]


def nonnegative(matrix: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """The least squares solution without the columns that would be negative, which are left out one by one."""
    kept = np.flatnonzero(matrix.any(axis=0))
    while True:
        solution = np.linalg.lstsq(matrix[:, kept], target, rcond=None)[0]
        if (solution >= 0).all():
            found = np.zeros(matrix.shape[1])
            found[kept] = solution
            return found
        kept = np.delete(kept, solution.argmin())


def fit(counted: Sequence[Counted], kernel: str) -> dict[str, float]:
    """Costs of what a kernel does, none below 0, so that relative errors are small; nothing if it was not counted."""
    rows, names = [], []
    for one in counted:
        found = next((k for k in one.choices.kernels if k.name == kernel), None)
        for candidate, instructions in one.counts:
            if found is not None and candidate.schedule.kernel == kernel:
                work, names = found.work(one.choices.layer, candidate.schedule.tiles), list(found.costs)
                rows.append([work.get(name, 0) / instructions for name in names])
    if not rows:
        return {}
    matrix = np.array(rows)
    costs = nonnegative(matrix, np.ones(len(rows)))
    error = np.abs(matrix @ costs - 1)
    print(f"  {kernel}: {len(rows)} counts, mean error {error.mean():.1%}, worst {error.max():.1%}", file=sys.stderr)
    return dict(zip(names, (round(float(c), 1) for c in costs), strict=True))


def ratios(counted: Sequence[Counted]) -> list[float]:
    """Of each layer, the pick's instructions over those of the best schedule."""
    return [one.picked[1] / one.best[1] for one in counted]


def fixed(counted: Sequence[Counted]) -> tuple[str, list[float]]:
    """The kernel that does best where it is taken for all that it computes, and its instructions over the pick's.

    Its tiles are the best for each layer, and other layers have their best schedule: so it is compared leniently.
    """
    found = {}
    for kernel in {candidate.schedule.kernel for one in counted for candidate, _ in one.counts}:
        found[kernel] = [(one.best_of(kernel) or one.best[1]) / one.picked[1] for one in counted]
    name = min(found, key=lambda kernel: float(np.mean(found[kernel])))
    return name, found[name]


def markdown(counted: Sequence[Counted], core: Core) -> str:
    """The table of a core."""
    lines = [
        f"{core.title}, simulated: instructions of the whole layer, exact.",
        "",
        "| layer | pick | instructions | predicted | scratch, bytes | best of all | pick / best "
        "| best by another kernel |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in counted:
        (picked, instructions), (best, least) = one.picked, one.best
        others = [(c, n) for c, n in one.counts if c.schedule.kernel != picked.schedule.kernel]
        other = min(others, key=lambda found: found[1], default=None)
        against = "-" if other is None else f"{other[0].schedule.kernel}, {other[1] / instructions:.2f}x"
        lines.append(
            f"| {one.case.name} | {shown(picked)} | {instructions:,} | {picked.instructions / instructions - 1:+.1%} "
            f"| {picked.scratch_bytes:,} | {shown(best)} | {instructions / least:.3f} | {against} |"
        )
    return "\n".join(lines) + "\n"


def shown(candidate: Candidate) -> str:
    """A candidate in few words."""
    schedule = candidate.schedule
    return f"{schedule.kernel}{''.join(f' {name} {size}' for name, size in schedule.tiles.items())}"


def summary(counted: Sequence[Counted], family: str) -> str:
    """What is reached for the layers of a family."""
    some = [one for one in counted if one.case.family == family]
    near = sum(ratio <= 1.05 for ratio in ratios(some))
    name, against = fixed(some)
    return (
        f"- {family}: the pick is within 5 % of the best of all schedules on {near} of {len(some)} layers "
        f"(worst {max(ratios(some)):.3f}); the best fixed kernel, {name}, takes {np.mean(against):.2f} times as many "
        f"instructions on average.\n"
    )


def arguments() -> argparse.Namespace:
    parser = command_line(__doc__)
    parser.add_argument("--core", choices=CORES, action="append", help="default: cortex-m4 and cortex-m0plus")
    parser.add_argument("--fit", action="store_true", help="fit the kernels' costs, and print them")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    cores = [CORES[name] for name in options.core or ("cortex-m4", "cortex-m0plus")]
    table, results = "", {}
    for core in cores:
        counted = count(fitted_to() if options.fit else STUDIED, core)
        if options.fit:
            for kernel in sorted({c.schedule.kernel for one in counted for c, _ in one.counts}):
                print(core.name, kernel, fit(counted, kernel))
            continue
        table += markdown(counted, core) + "\n"
        table += "".join(summary(counted, family) for family in ("binary", "w1a8", "int8")) + "\n"
        results[core.name] = [
            {"layer": one.case.name, "schedule": shown(c), "instructions": n, "predicted": c.instructions}
            for one in counted
            for c, n in one.counts
        ]
    if not options.fit:
        publish(options, table, {"kind": "simulated", "layers": results})


if __name__ == "__main__":
    main()
