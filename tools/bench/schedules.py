#!/usr/bin/env python3
"""How good the planner's schedules are: layers that its costs were not fitted to, every candidate run.

Usage: .venv/bin/python tools/bench/schedules.py {aarch64,x86-64} [--operation bconv2d] [--json FILE] [--markdown FILE]

AArch64: exact instructions under qemu-user (preparation, which schedules of a kernel share, is counted once for each).
x86-64: candidates are timed in turn on this machine, and each has the least of its times.
A fixed schedule is one order and one size of each tile for all layers, cut to what a layer has, of a kernel that
computes all of them; "without" is what the kernels choose by themselves.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from edgebnn.dataflow import kernel_costs
from edgebnn.dataflow.kernel_costs import KernelCosts
from edgebnn.dataflow.schedule_picks import costed
from edgebnn.errors import EdgebnnError
from edgebnn.files import write_text
from edgebnn.kernels.schedules import LayerSchedule
from edgebnn.kernels.spaces import LayerShape, spaces
from tools.bench.arm_mca import Layer
from tools.bench.schedule_cases import MACHINES, Runner, shape_of, text_of

HARDWARE = {"aarch64": "pi5", "x86-64": "host"}
CLOSE = 1.05
"""A pick within this of the best is as good as the best."""

LAYERS = {
    "aarch64": {
        "bconv2d": (
            Layer(16, 32, 32),
            Layer(13, 32, 64, output="int8"),
            Layer(18, 32, 48, output="packed"),
            Layer(15, 64, 64),
            Layer(10, 64, 96, output="int8"),
            Layer(20, 64, 32, output="packed"),
            Layer(17, 32, 64, stride=2),
            Layer(13, 64, 64, stride=2, output="int8"),
            Layer(11, 32, 32, filter=5),
            Layer(9, 128, 64),
            Layer(7, 256, 64, output="int8"),
            Layer(14, 64, 128, filter=1),
            Layer(9, 192, 96, filter=1, output="int8"),
            Layer(12, 64, 64, filter=2),
        ),
        "w1a8": (
            Layer(8, 32, 32, output="int8"),
            Layer(5, 64, 64, output="int8"),
            Layer(9, 16, 48, output="int8"),
            Layer(6, 96, 32, filter=1, output="int8"),
        ),
    },
    "x86-64": {
        "bconv2d": (
            Layer(56, 32, 32),
            Layer(48, 32, 64, output="int8"),
            Layer(40, 32, 128, output="packed"),
            Layer(52, 64, 64),
            Layer(30, 64, 128, output="int8"),
            Layer(26, 128, 128, output="packed"),
            Layer(24, 128, 256),
            Layer(13, 256, 256, output="int8"),
            Layer(8, 512, 512),
            Layer(44, 64, 128, stride=2),
            Layer(26, 256, 256, filter=1),
            Layer(15, 512, 512, filter=1, output="int8"),
            Layer(34, 32, 64, filter=5),
            Layer(6, 1024, 1024, output="packed"),
        ),
        "w1a8": (
            Layer(40, 32, 32, output="int8"),
            Layer(26, 64, 128, output="int8"),
            Layer(13, 256, 256, output="int8"),
            Layer(7, 512, 512, output="int8"),
            Layer(28, 128, 256, filter=1, output="int8"),
            Layer(1, 2048, 1024, filter=1, output="int8"),
        ),
    },
}


@dataclass(frozen=True)
class Result:
    """One layer: costs of the schedules, of which ``costs`` has all by their text; ``today_cost``: without one."""

    operation: str
    layer: str
    output: str
    pick: str
    pick_cost: float
    best: str
    best_cost: float
    today_cost: float
    costs: dict[str, float]
    fixed: dict[str, float]

    @property
    def behind(self) -> float:
        """The pick's cost over the best one's."""
        return self.pick_cost / self.best_cost


def fixed_costs(layer: LayerShape, costs: Sequence[tuple[LayerSchedule, float]]) -> dict[str, float]:
    """By fixed schedule: kernel, order and nominal sizes, of which "all" is as much as there is; sizes are cut to what
    the layer has."""
    nominal = {"pixels": [24, 48, 96, 192, 0], "rows": [1, 2, 4, 8, 0], "blocks": [1, 2, 4, 0]}
    found: dict[str, float] = {}
    for space in spaces(layer, list(dict.fromkeys(point.kernel for point, _ in costs))):
        for order, tiles in space.orders.items():
            names = list(tiles)
            for sizes in _combinations([nominal[name] for name in names]):
                wanted = {
                    name: max(s for s in tiles[name].tried if size == 0 or s <= max(size, tiles[name].tried[0]))
                    for name, size in zip(names, sizes, strict=True)
                }
                title = f"{space.kernel} {order} " + " ".join(
                    f"{n} {s or 'all'}" for n, s in zip(names, sizes, strict=True)
                )
                found[title] = next(
                    cost
                    for point, cost in costs
                    if (point.kernel, point.dataflow) == (space.kernel, order) and dict(point.tiles) == wanted
                )
    return found


def _combinations(lists: Sequence[Sequence[int]]) -> list[tuple[int, ...]]:
    found: list[tuple[int, ...]] = [()]
    for sizes in lists:
        found = [(*head, size) for head in found for size in sizes]
    return found


@dataclass(frozen=True)
class Measured:
    """One layer, and what its schedules cost when they were run: by their text, and without one."""

    operation: str
    layer: Layer
    costs: dict[str, float]
    today: float


def measure(runner: Runner, operation: str, layer: Layer, kernels: Sequence[str]) -> Measured:
    """Runs every candidate of a layer. Raises EdgebnnError."""
    points = [point for space in spaces(shape_of(layer, operation), kernels) for point in space.candidates(0, "")]
    today, *found = runner.costs(operation, layer, ["best", *map(text_of, points)])
    return Measured(operation, layer, dict(zip(map(str, points), found, strict=True)), today)


def read(path: Path, machine: str) -> list[Measured]:
    """What an earlier run measured."""
    known = {(o, layer.name, layer.output): layer for o, layers in LAYERS[machine].items() for layer in layers}
    return [
        Measured(r["operation"], known[r["operation"], r["layer"], r["output"]], r["costs"], r["today_cost"])
        for r in json.loads(path.read_text(encoding="utf-8"))
    ]


def compare(found: Measured, costs: KernelCosts, kernels: Sequence[str]) -> Result:
    """The planner's pick beside the best and the fixed ones."""
    shape = shape_of(found.layer, found.operation)
    measured = [(point, found.costs[str(point)]) for _, point in costed(shape, costs, kernels)]
    best = min(measured, key=lambda pair: pair[1])
    pick = measured[0]
    return Result(
        found.operation,
        found.layer.name,
        found.layer.output,
        str(pick[0]),
        pick[1],
        str(best[0]),
        best[1],
        found.today,
        found.costs,
        fixed_costs(shape, measured),
    )


def best_fixed(results: Sequence[Result]) -> tuple[str, float]:
    """The fixed schedule that is best over all layers, and the geometric mean of its costs over the picks'."""
    common = set.intersection(*(set(result.fixed) for result in results))
    ratios = {
        title: float(np.exp(np.mean([np.log(result.fixed[title] / result.pick_cost) for result in results])))
        for title in common
    }
    best = min(sorted(ratios), key=lambda title: ratios[title])
    return best, ratios[best]


def markdown(machine: str, results: Sequence[Result]) -> str:
    unit = MACHINES[machine]
    lines = []
    for operation in dict.fromkeys(result.operation for result in results):
        own = [result for result in results if result.operation == operation]
        title, ratio = best_fixed(own)
        without = float(np.exp(np.mean([np.log(result.today_cost / result.pick_cost) for result in own])))
        close = sum(result.behind <= CLOSE for result in own)
        lines += [
            f"{operation}: the pick is within 5 % of the best on {close} of {len(own)} layers; the best fixed schedule "
            f"is `{title}`, which costs {ratio:.3f} times as much as the picks (geometric mean), "
            f"what the kernels choose without a schedule {without:.3f} times.",
            "",
            f"| layer | picked | {unit} | the best | {unit} | pick / best | fixed / pick | without / pick | tried |",
            "|---|---|---|---|---|---|---|---|---|",
            *(
                f"| {r.layer}, {r.output} | {r.pick} | {r.pick_cost:.0f} | {r.best} | {r.best_cost:.0f} "
                f"| {r.behind:.3f} | {r.fixed[title] / r.pick_cost:.3f} "
                f"| {r.today_cost / r.pick_cost:.3f} | {len(r.costs)} |"
                for r in own
            ),
            "",
        ]
    return "\n".join(lines)


def run(machine: str, only: str | None, kernels: Mapping[str, Sequence[str]]) -> list[Measured]:
    """Of all layers, or of those of one operation. Raises EdgebnnError."""
    measured = []
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner.make(machine, Path(folder))
        for operation, layers in LAYERS[machine].items():
            for layer in layers if only in (None, operation) else ():
                print(f"{operation} {layer.name}", file=sys.stderr, flush=True)
                measured.append(measure(runner, operation, layer, kernels[operation]))
    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("machine", choices=MACHINES)
    parser.add_argument("--operation", choices=("bconv2d", "w1a8"), help="only that one")
    parser.add_argument("--again", type=Path, help="run nothing: pick anew for what this JSON file says was measured")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    costs = kernel_costs.of(HARDWARE[options.machine])
    assert costs is not None
    kernels = {operation: costs.kernels(operation, HARDWARE[options.machine]) for operation in LAYERS[options.machine]}
    try:
        if options.again is not None:
            measured = read(options.again, options.machine)
        else:
            measured = run(options.machine, options.operation, kernels)
    except EdgebnnError as error:
        sys.exit(f"schedules: {error}")
    results = [compare(one, costs, kernels[one.operation]) for one in measured]
    table = markdown(options.machine, results)
    print(table, end="")
    if options.markdown:
        write_text(options.markdown, table)
    if options.json:
        fields = [{name: value for name, value in asdict(r).items() if name != "fixed"} for r in results]
        write_text(options.json, json.dumps(fields, indent=1) + "\n")


if __name__ == "__main__":
    main()
