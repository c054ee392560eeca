#!/usr/bin/env python3
"""One network through the whole chain, one table: trained, adapted, fewer bits, retrained, deployed.

Usage: .venv/bin/python -m tools.experiments.whole_chain NETWORK --run-dir DIR [--data cifar10]
       [--budget latency=0.6x] [--binary-budget latency=0.6x] [--epochs N] [--pruned-epochs N] [--retraining-epochs N]
       [--iterations N] [--ratio R] [--widths 16,32,64] [--trained MODEL]

NETWORK: resnet8, resnet20, resnet18 or alexnet. Two chains: from float weights (trained, adapted, retrained to W1A8),
and from binary weights and activations (W1A1: trained, adapted and trained on). After every step the network is
converted; the file answers all test images on this machine, its multiply-accumulates, bytes and arena are counted, and
its latency is measured, with one thread. Every step is resumable; chain.json and chain.md are written after each.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgebnn import machine
from edgebnn.converters.convert import Target as Format
from edgebnn.converters.convert import convert
from edgebnn.files import write_text
from edgebnn.graph import counts
from edgebnn.graph.liveness import peak_arena_bytes
from edgebnn.graph.opdef import Macs
from edgebnn.pruning.settings import Settings
from edgebnn.reports import format as words
from edgebnn.targets import target
from edgebnn.targets.model_file import open_model
from edgebnn.training import datasets
from edgebnn.training.compute import COMPUTES
from edgebnn.training.named import NamedTraining, train_named
from edgebnn.training.splits import Dataset
from edgebnn.workflows.measuring import measure_models
from edgebnn.workflows.prune import PruneOptions, long_term, prune_in
from edgebnn.workflows.retrain import file_accuracy, retrain
from tools.experiments.saying import say, say_epochs, say_pruning


@dataclass(frozen=True)
class Chain:
    """What goes through, on what, where it is kept, and for how long it is trained."""

    network: str
    data: str
    dataset: Dataset
    folder: Path
    budget: str
    binary_budget: str
    widths: tuple[int, ...] | None
    trained: Path | None
    epochs: int
    pruned_epochs: int
    retraining_epochs: int
    iterations: int
    ratio: float
    seed: int
    compute: str


@dataclass(frozen=True)
class Row:
    """A network as it is deployed after a step: ``accuracy`` of the file on all test images, latency in ms, both
    measured; bytes of the file and of the arena, and multiply-accumulates, counted."""

    step: str
    weights: str
    accuracy: float
    macs: Macs
    file_bytes: int
    arena_bytes: int
    latency_ms: float


def rows(chain: Chain) -> Iterator[Row]:
    """After every step of both chains."""
    trained = chain.trained or _trained(chain, "float")
    yield _row(chain, "trained", "float", _converted(chain, "float_trained", trained, "float"))
    adapted = _adapted(chain, "float", trained, chain.budget)
    yield _row(
        chain, f"adapted to {chain.budget}, trained on", "float", _converted(chain, "float_adapted", adapted, "float")
    )
    for name, source in (("trained", trained), ("adapted", adapted)):
        file = chain.folder / f"w1a8_{name}.tflite"
        changes = {"epochs": chain.retraining_epochs, "seed": chain.seed, "compute": chain.compute}
        retrain(source, chain.dataset, "w1a8", output=file, changes=changes, progress=say_epochs)
        yield _row(chain, f"{name}, retrained", "1-bit, 8-bit activations", file)
    binary = _trained(chain, "w1a1")
    yield _row(chain, "trained", "1-bit, 1-bit activations", _converted(chain, "w1a1_trained", binary, "lce"))
    adapted = _adapted(chain, "w1a1", binary, chain.binary_budget)
    file = _converted(chain, "w1a1_adapted", adapted, "lce")
    yield _row(chain, f"adapted to {chain.binary_budget}, trained on", "1-bit, 1-bit activations", file)


def _trained(chain: Chain, precision: str) -> Path:
    history = train_named(
        NamedTraining(
            chain.network,
            chain.data,
            precision,
            widths=chain.widths,
            seed=chain.seed,
            changes={"epochs": chain.epochs, "compute": chain.compute},
        ),
        chain.folder / f"{precision}_training",
        say_epochs,
    )
    return history.model_path


def _adapted(chain: Chain, precision: str, model: Path, budget: str) -> Path:
    """By the latency that this machine measures, or whatever the budget is of; trained on at the end."""
    from edgebnn.converters.from_keras import load_model

    settings = Settings(iterations=chain.iterations, ratio=chain.ratio, seed=chain.seed, compute=chain.compute)
    recipe = long_term(load_model(str(model)), chain.data, chain.pruned_epochs, settings)
    result = prune_in(
        chain.folder / f"{precision}_adapted",
        model,
        chain.dataset,
        "host",
        budget,
        PruneOptions(replace(settings, long_term=recipe), progress=say_pruning),
    )
    return result.model_path


def _converted(chain: Chain, name: str, model: Path, to: Format) -> Path:
    file = chain.folder / f"{name}.tflite"
    convert(model, file, to=to)
    return file


def _row(chain: Chain, step: str, weights: str, path: Path) -> Row:
    file = open_model(path)
    test = chain.dataset.test
    return Row(
        step=step,
        weights=weights,
        accuracy=file_accuracy(path, test.images, np.asarray(test.labels)),
        macs=counts.macs(file.graph),
        file_bytes=len(file.content),
        arena_bytes=peak_arena_bytes(file.graph),
        latency_ms=measure_models(target("host"), [file])[0],
    )


def markdown(chain: Chain, found: list[Row]) -> str:
    lines = [
        f"{chain.network} on {chain.dataset.name}, {len(chain.dataset.test):,} test images, batch 1, one thread, on "
        f"{machine.describe()}. Accuracy (of the deployed file) and latency are measured; MACs and bytes are counted.",
        "",
        "| network | weights | accuracy | MACs | file | arena | latency |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.step} | {row.weights} | {words.percent(row.accuracy)} "
        f"| {', '.join(f'{count} {name}' for name, count in words.macs(row.macs))} | {words.size(row.file_bytes)} "
        f"| {words.size(row.arena_bytes)} | {words.cost(row.latency_ms, 'ms')} |"
        for row in found
    ]
    return "\n".join(lines) + "\n"


def _widths(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


def _chain(arguments: Any) -> Chain:
    return Chain(
        network=arguments.network,
        data=arguments.data,
        dataset=datasets.load(arguments.data),
        folder=arguments.run_dir,
        budget=arguments.budget,
        binary_budget=arguments.binary_budget or arguments.budget,
        widths=arguments.widths,
        trained=arguments.trained,
        epochs=arguments.epochs,
        pruned_epochs=arguments.pruned_epochs,
        retraining_epochs=arguments.retraining_epochs,
        iterations=arguments.iterations,
        ratio=arguments.ratio,
        seed=arguments.seed,
        compute=arguments.compute,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("network", choices=["resnet8", "resnet20", "resnet18", "alexnet"])
    parser.add_argument("--run-dir", type=Path, required=True, help="where everything is kept")
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--budget", default="latency=0.6x")
    parser.add_argument("--binary-budget", help="of the binary network (default: the same)")
    parser.add_argument("--widths", type=_widths, help="channels by stage or layer, as in 16,32,64")
    parser.add_argument("--trained", type=Path, help="a float model that is trained already")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--pruned-epochs", type=int, default=5)
    parser.add_argument("--retraining-epochs", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=30)
    parser.add_argument("--ratio", type=float, default=Settings().ratio, help="of the latency, saved by the first one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--compute", default="float32", choices=COMPUTES, help="of training; files are judged as they are"
    )
    chain = _chain(parser.parse_args())
    chain.folder.mkdir(parents=True, exist_ok=True)
    found: list[Row] = []
    for row in rows(chain):
        found.append(row)
        say(f"{row.step}, {row.weights}: {row.accuracy:.2%}, {row.latency_ms:.4g} ms")
        value = {"machine": machine.describe(), "network": chain.network, "rows": [asdict(row) for row in found]}
        write_text(chain.folder / "chain.json", json.dumps(value, indent=1))
        write_text(chain.folder / "chain.md", markdown(chain, found))
    print(markdown(chain, found), end="")


if __name__ == "__main__":
    main()
