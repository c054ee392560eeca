#!/usr/bin/env python3
"""NetAdapt against the simplest rival: the same network with all widths scaled alike to the same measured latency.

Usage: .venv/bin/python -m tools.experiments.uniform_widths NETWORK --run-dir DIR [--precision w1a1] [--data cifar10]
       [--widths 64,128,256] [--budget latency=0.6x] [--seeds 0,1,2] [--epochs N] [--pruned-epochs N]

For every seed a network is trained, adapted to the budget and trained on. The rival is the widest of the scaled
networks that this machine measures to be no slower than the adapted one; it is trained from the start for as many
epochs as the other was in all, the steps of its search included. The test set judges both once, at the end. Every part
is resumable; uniform.json and uniform.md are written after each seed, with the mean difference and its standard error.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgebnn import machine
from edgebnn.converters.from_keras import load_model
from edgebnn.errors import InputError
from edgebnn.files import write_text
from edgebnn.models import build
from edgebnn.pruning.search.history import Result
from edgebnn.pruning.settings import Settings
from edgebnn.targets import target
from edgebnn.training import datasets
from edgebnn.training.named import NamedTraining, train_named
from edgebnn.training.splits import Dataset
from edgebnn.workflows.measuring import measure_models
from edgebnn.workflows.prune import PruneOptions, deployment, long_term, prune_in
from tools.experiments.saying import say, say_epochs, say_pruning


@dataclass(frozen=True)
class Contest:
    """What is compared, on what, for how long it is trained, and where everything is kept."""

    network: str
    precision: str
    data: str
    dataset: Dataset
    folder: Path
    budget: str
    widths: tuple[int, ...]
    epochs: int
    pruned_epochs: int
    iterations: int


@dataclass(frozen=True)
class Outcome:
    """Of one seed. Accuracies are on all test images; latencies in ms, measured in turn; epochs of training in all."""

    seed: int
    whole: float
    adapted: float
    uniform: float
    adapted_ms: float
    uniform_ms: float
    adapted_widths: dict[str, int]
    uniform_widths: tuple[int, ...]
    epochs: int


def compete(contest: Contest, seed: int) -> Outcome:
    folder = contest.folder / f"seed{seed}"
    whole = _trained(contest, folder / "whole", seed, contest.widths, contest.epochs)
    result = _adapted(contest, folder, seed)
    rival = _rival(contest, folder / "rival.json", result.model)
    say(f"seed {seed}: adapted {rival.adapted_ms:.4g} ms, widths {rival.widths} {rival.uniform_ms:.4g} ms")
    epochs = contest.epochs + contest.pruned_epochs + _search_epochs(result, contest.dataset)
    uniform = _trained(contest, folder / "uniform", seed, rival.widths, epochs)
    assert result.accuracy.long_term is not None  # settings asked for it
    return Outcome(
        seed=seed,
        whole=whole,
        adapted=result.accuracy.long_term,
        uniform=uniform,
        adapted_ms=rival.adapted_ms,
        uniform_ms=rival.uniform_ms,
        adapted_widths=dict(result.iterations[-1].widths),
        uniform_widths=rival.widths,
        epochs=epochs,
    )


@dataclass(frozen=True)
class Rival:
    """A network scaled alike, and both latencies in ms, measured in turn."""

    widths: tuple[int, ...]
    adapted_ms: float
    uniform_ms: float


def scaled_alike(contest: Contest, adapted: Any) -> Rival:
    """The widest network scaled alike that is no slower than ``adapted``.

    Tried one after the other from the widest down: latency climbs in stairs, a wider network may be the quicker one.
    Raises :class:`InputError` if even the narrowest is slower.
    """
    deploy = deployment(adapted, contest.dataset)
    ours = deploy(adapted)
    for widths in scales(contest.widths):
        network = build(
            contest.network,
            widths=widths,
            classes=len(contest.dataset.classes),
            precision=contest.precision,
            input_shape=adapted.input_shape[1:],
        )
        adapted_ms, uniform_ms = measure_models(target("host"), [ours, deploy(network)])
        if uniform_ms <= adapted_ms:
            return Rival(widths, adapted_ms, uniform_ms)
    raise InputError(f"no {contest.network} with widths below {contest.widths} is as quick as the adapted one")


def scales(widths: Sequence[int]) -> list[tuple[int, ...]]:
    """All widths narrower than ``widths`` and in proportion to them, each rounded to a multiple of what NetAdapt
    steps by; the widest first."""
    step, finest = Settings().step, max(widths)
    scaled = [
        tuple(max(step, step * round(width * share / (finest * step))) for width in widths)
        for share in range(finest - 1, 0, -1)
    ]
    return [one for one in dict.fromkeys(scaled) if one != tuple(widths)]


def _rival(contest: Contest, path: Path, adapted: Any) -> Rival:
    """What was found before, if ``path`` is there: timings would not choose the same again."""
    if path.exists():
        content = json.loads(path.read_text())
        return Rival(**{**content, "widths": tuple(content["widths"])})
    rival = scaled_alike(contest, adapted)
    write_text(path, json.dumps(asdict(rival)))
    return rival


def _trained(contest: Contest, folder: Path, seed: int, widths: Sequence[int], epochs: int) -> float:
    """Accuracy on the test images of the network trained from the start; ``folder`` keeps model.keras."""
    history = train_named(
        NamedTraining(
            contest.network, contest.data, contest.precision, widths=widths, seed=seed, changes={"epochs": epochs}
        ),
        folder,
        say_epochs,
    )
    return history.test_accuracy


def _adapted(contest: Contest, folder: Path, seed: int) -> Result:
    model = load_model(str(folder / "whole" / "model.keras"))
    settings = Settings(iterations=contest.iterations, seed=seed)
    recipe = long_term(model, contest.data, contest.pruned_epochs, settings)
    return prune_in(
        folder / "adapted",
        model,
        contest.dataset,
        "host",
        contest.budget,
        PruneOptions(
            replace(settings, long_term=recipe), table=contest.folder / "latency_samples.json", progress=say_pruning
        ),
    )


def _search_epochs(result: Result, dataset: Dataset) -> int:
    """What the short-term training of the accepted proposals comes to, rounded up."""
    settings = Settings()
    images = len(result.iterations) * settings.steps * settings.batch
    return math.ceil(images / len(dataset.train))


def document(contest: Contest, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """What uniform.json holds; the standard error takes two seeds."""
    differences = np.array([outcome.adapted - outcome.uniform for outcome in outcomes])
    count = len(outcomes)
    return {
        "machine": machine.describe(),
        "kind": "measured",
        **{name: getattr(contest, name) for name in ("network", "precision", "data", "budget", "widths")},
        "difference": float(differences.mean()),
        "standard_error": float(differences.std(ddof=1) / math.sqrt(count)) if count > 1 else None,
        "outcomes": [asdict(outcome) for outcome in outcomes],
    }


def markdown(contest: Contest, content: dict[str, Any]) -> str:
    seeds = f"{len(content['outcomes'])} seeds"
    error = "" if content["standard_error"] is None else f", standard error {content['standard_error'] * 100:.2f}"
    lines = [
        f"{contest.network}, {contest.precision}, {contest.data}, {contest.budget}, on {content['machine']}. Accuracy "
        f"on all {len(contest.dataset.test):,} test images and latency are measured.",
        "",
        "| seed | unpruned | adapted | scaled alike | adapted ms | scaled ms | widths scaled alike | epochs |",
        "|---|---|---|---|---|---|---|---|",
        *(
            f"| {o['seed']} | {o['whole']:.2%} | {o['adapted']:.2%} | {o['uniform']:.2%} | {o['adapted_ms']:.4f} "
            f"| {o['uniform_ms']:.4f} | {', '.join(map(str, o['uniform_widths']))} | {o['epochs']} |"
            for o in content["outcomes"]
        ),
        "",
        f"Adapted minus scaled alike: {content['difference'] * 100:+.2f} points{error} ({seeds}).",
    ]
    return "\n".join(lines) + "\n"


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("network", choices=["resnet8", "resnet20", "resnet18"])
    parser.add_argument("--run-dir", type=Path, required=True, help="where everything is kept")
    parser.add_argument("--precision", default="w1a1", choices=["float", "w1a1"])
    parser.add_argument("--data", default="cifar10")
    parser.add_argument("--widths", type=_numbers, default=(64, 128, 256), help="of the stages of the unpruned network")
    parser.add_argument("--budget", default="latency=0.6x")
    parser.add_argument("--seeds", type=_numbers, default=(0, 1, 2))
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--pruned-epochs", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=30)
    options = parser.parse_args()
    contest = Contest(
        network=options.network,
        precision=options.precision,
        data=options.data,
        dataset=datasets.load(options.data),
        folder=options.run_dir,
        budget=options.budget,
        widths=options.widths,
        epochs=options.epochs,
        pruned_epochs=options.pruned_epochs,
        iterations=options.iterations,
    )
    contest.folder.mkdir(parents=True, exist_ok=True)
    outcomes: list[Outcome] = []
    for seed in options.seeds:
        outcomes.append(compete(contest, seed))
        content = document(contest, outcomes)
        write_text(contest.folder / "uniform.json", json.dumps(content, indent=1))
        write_text(contest.folder / "uniform.md", markdown(contest, content))
    print(markdown(contest, document(contest, outcomes)), end="")


if __name__ == "__main__":
    main()
