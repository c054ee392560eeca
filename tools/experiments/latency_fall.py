#!/usr/bin/env python3
"""What pruning by latency does to the measured latency of a binarized network at 224x224, and of its convolutions.

Usage: .venv/bin/python -m tools.experiments.latency_fall NETWORK --run-dir DIR [--budget latency=0.6x] [--ratio R]

NETWORK: resnet18 or alexnet. Only times are looked at, so weights are random, proposals are not trained, and few images
judge them. Everything is kept in the folder; fall.json and fall.md have the latency of the whole network and of the
ops before and after, how far predictions were from it, and the widths. Nothing else should run on the machine.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgebnn import machine
from edgebnn.files import write_text
from edgebnn.models import build
from edgebnn.pruning.search.history import Result
from edgebnn.pruning.settings import Settings
from edgebnn.runtime.profile import OpProfile
from edgebnn.targets import target
from edgebnn.targets.model_file import ModelFile
from edgebnn.targets.noise import noise
from edgebnn.training import datasets
from edgebnn.training.splits import Dataset
from edgebnn.workflows.prune import PruneOptions, deployment, prune_in
from tools.experiments.saying import say, say_pruning

WIDTHS: Mapping[str, tuple[int, ...]] = {
    "resnet18": (64, 128, 256, 512),
    "alexnet": (64, 192, 384, 256, 256, 4096, 4096),
}
PARTS: Mapping[str, tuple[str, ...]] = {
    "binary convolutions": ("LceBconv2d",),
    "stretches with a float convolution": ("CONV_2D",),
    "all else": ("",),
}
"""Kinds of entries of a profile, by what they contain; an entry belongs to the first that fits."""
REPEATS = 100
IMAGES = 64


@dataclass(frozen=True)
class Latency:
    """Measured on one thread, ms: of the whole network, and of its parts (:data:`PARTS`), which add up to it."""

    whole: float
    parts: dict[str, float]


def measured(model: ModelFile) -> Latency:
    profile = target("host").measure(model, next(noise(model, 1)), repeats=REPEATS)
    parts = dict.fromkeys(PARTS, 0.0)
    for entry in profile.ops:
        parts[part_of(entry)] += entry.value
    return Latency(profile.total, parts)


def part_of(entry: OpProfile) -> str:
    return next(part for part, kinds in PARTS.items() if any(kind in entry.op for kind in kinds))


def markdown(network: str, before: Latency, after: Latency, result: Result) -> str:
    def line(name: str, old: float, new: float) -> str:
        return f"| {name} | {old:.3f} | {new:.3f} | {new / old - 1:+.0%} |"

    offs = [abs(i.predicted / i.measured - 1) for i in result.iterations if i.measured]
    table = result.history["table"]
    lines = [
        f"{network} (w1a1, 224x224), one thread, on {machine.describe()}, measured.",
        "",
        "| | before, ms | after, ms | |",
        "|---|---|---|---|",
        line("whole network", before.whole, after.whole),
        *(line(part, before.parts[part], after.parts[part]) for part in PARTS if before.parts[part] > 0),
        "",
        f"Budget {result.budget:.3f} ms, predicted {result.predicted:.3f}, measured {result.measured:.3f}, after "
        f"{len(result.iterations)} iterations, in which predictions were off by {max(offs):.1%} at most. "
        f"The table: {table['samples']} samples, median error {table['median_error']:.1%} on {table['held_back']} held "
        "back.",
    ]
    return "\n".join(lines) + "\n"


def few_images(data: Dataset) -> Dataset:
    return replace(data, train=data.train.take(np.arange(2 * IMAGES)), test=data.test.take(np.arange(IMAGES)))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("network", choices=list(WIDTHS))
    parser.add_argument("--run-dir", type=Path, required=True, help="where everything is kept")
    parser.add_argument("--budget", default="latency=0.6x")
    parser.add_argument("--ratio", type=float, default=0.1, help="the first iteration's saving (published: 0.025)")
    options = parser.parse_args(arguments)
    data = few_images(datasets.load("cifar10"))
    model = build(options.network, widths=WIDTHS[options.network], precision="w1a1")
    deploy = deployment(model, data)
    before = measured(deploy(model))
    say(f"{options.network}: {before.whole:.3f} ms")
    settings = Settings(ratio=options.ratio, steps=0, hold_out=IMAGES, iterations=30)
    how = PruneOptions(settings, progress=say_pruning)
    result = prune_in(options.run_dir, model, data, "host", options.budget, how)
    after = measured(deploy(result.model))
    content: dict[str, Any] = {
        "machine": machine.describe(),
        "kind": "measured",
        "before": asdict(before),
        "after": asdict(after),
        "widths": dict(result.iterations[-1].widths),
        "history": result.history,
    }
    write_text(options.run_dir / "fall.json", json.dumps(content, indent=1))
    text = markdown(options.network, before, after, result)
    write_text(options.run_dir / "fall.md", text)
    print(text, end="")


if __name__ == "__main__":
    main()
