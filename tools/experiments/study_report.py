"""The outcome of a study of precisions: each arm on disk, and one table, one chart and one JSON file of all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from matplotlib.ticker import MaxNLocator

from edgebnn.files import write_text
from edgebnn.graph.liveness import peak_arena_bytes
from edgebnn.reports import charts, format
from edgebnn.targets import target
from edgebnn.targets.model_file import open_model
from edgebnn.training.history import EpochMetrics
from edgebnn.training.retraining import Stage, StageName
from edgebnn.workflows.benchmark import Effort, benchmark

REPEATS = 60
COLUMNS: tuple[StageName, ...] = ("given", "float", "post-training", "retrained", "converted", "deployed")
"""Stages in the order of the work: "float" is the parent, or the arm itself; "given" a W1A1 network as trained."""


@dataclass(frozen=True)
class Arm:
    """One precision: accuracy at every stage over the whole test set, its epochs, and the file that was deployed."""

    name: str
    stages: tuple[Stage, ...]
    epochs: tuple[EpochMetrics, ...]
    file: str

    def accuracy(self, stage: StageName) -> float:
        """Of the stage called ``stage``, which the arm must have."""
        return {entry.name: entry.accuracy for entry in self.stages}[stage]


def write_arm(folder: Path, arm: Arm) -> None:
    write_text(folder / f"{arm.name}.arm.json", json.dumps(asdict(arm), indent=1))


def read_arm(folder: Path, name: str) -> Arm | None:
    """The arm that was kept under ``name``; None if it is not done."""
    path = folder / f"{name}.arm.json"
    if not path.exists():
        return None
    fields = json.loads(path.read_text(encoding="utf-8"))
    stages = tuple(Stage(**stage) for stage in fields["stages"])
    return Arm(fields["name"], stages, tuple(EpochMetrics(**epoch) for epoch in fields["epochs"]), fields["file"])


def write_report(folder: Path, arms: Sequence[Arm], machine: str) -> None:
    """``results.json``, ``table.md`` and ``accuracy.svg`` in ``folder``; times every file, so keep the machine idle."""
    first = arms[0].file
    rows = [_row(arm, first) for arm in arms]
    folder.mkdir(parents=True, exist_ok=True)
    value = {"machine": machine, "reference": arms[0].name, "arms": rows}
    write_text(folder / "results.json", json.dumps(value, indent=1) + "\n")
    write_text(folder / "table.md", table(rows))
    write_text(folder / "accuracy.svg", chart(arms))


def _row(arm: Arm, reference: str) -> dict[str, Any]:
    """What is known of an arm, and its file: bytes, exact, and latency, on one thread in turn with ``reference``."""
    model = open_model(Path(arm.file))
    timed = benchmark(target("host"), model, against=reference, effort=Effort(repeats=REPEATS, cool_seconds=0))
    assert timed.against is not None
    return {
        "name": arm.name,
        "epochs": len(arm.epochs),
        "seconds": round(sum(epoch.seconds for epoch in arm.epochs)),
        "stages": [asdict(stage) for stage in arm.stages],
        "held_out_accuracy": [epoch.validation_accuracy for epoch in arm.epochs],
        "file_bytes": len(model.content),
        "arena_bytes": peak_arena_bytes(model.graph),
        "latency_ms": {"value": timed.median_ms, "kind": timed.kind, "spread": timed.spread_ms},
        "times_reference": timed.against.ratio,
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Markdown, a line for each arm."""
    titles = ["", *COLUMNS, "file", "arena", "latency", "times the float network"]
    lines = ["| " + " | ".join(titles) + " |", "|---" * len(titles) + "|"]
    for row in rows:
        known = {stage["name"]: stage["accuracy"] for stage in row["stages"]}
        cells = [format.percent(known[name]) if name in known else "" for name in COLUMNS]
        cells += [format.size(row["file_bytes"]), format.size(row["arena_bytes"])]
        cells += [f"{row['latency_ms']['value']:.3f} ms", f"{row['times_reference']:.2f}"]
        lines.append(f"| {row['name']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def chart(arms: Sequence[Arm]) -> str:
    """Accuracy by epoch on the held-out images, and, at the right edge, that of the deployed file on the test set."""
    colors = (charts.INK, charts.ACCENT, "#1a7f37", charts.SECOND, charts.QUIET)
    with charts.settings():
        figure, axes = charts.figure_of(3.6, "both")
        for arm, color in zip(arms, colors, strict=False):
            points = [(e.epoch, e.validation_accuracy) for e in arm.epochs if e.validation_accuracy is not None]
            axes.plot(*zip(*points, strict=True), color=color, linewidth=1.6, label=arm.name)
            axes.plot([len(arm.epochs) + 0.6], [arm.accuracy("deployed")], marker="D", color=color, markersize=5)
        axes.set_xlabel("epoch (diamonds: the deployed file on the test images)")
        axes.set_ylabel("accuracy, images held out")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        charts.in_percent(axes.yaxis)
        axes.legend(loc="lower right", frameon=False, fontsize=8, labelcolor=charts.INK)
        return charts.as_file(figure)
