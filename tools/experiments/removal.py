#!/usr/bin/env python3
"""Channels cut at once against channels that fade out under TF-MOT's masks, and how many short-term steps pay.

Usage: .venv/bin/python -m tools.experiments.removal --run-dir DIR [--workers N]

ResNet-8 on CIFAR-10 at 16x16, float and W1A1, is trained for a short while for each of three seeds, adapted to a share
of its multiply-accumulates with each way of removal, and trained on. Equal steps: both with 10. Equal time: channels
cut, with as many steps as take the processor time of 10 gradual ones, measured on single proposals in turn. Steps: more
than 10. A run that is finished is kept as one JSON file and not done again; one that was interrupted goes on.
removal.json and removal.md are written after each.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgebnn import machine
from edgebnn._tensorflow import keras
from edgebnn.files import write_text
from edgebnn.models import build
from edgebnn.pruning import store
from edgebnn.pruning.channels.coupling import couple
from edgebnn.pruning.search.budget import parse
from edgebnn.pruning.search.netadapt import adapt
from edgebnn.pruning.search.run_folder import RunFolder
from edgebnn.pruning.search.task import Task
from edgebnn.pruning.settings import Settings
from edgebnn.pruning.workers.executors import local_pool
from edgebnn.pruning.workers.job import Data, Job
from edgebnn.pruning.workers.training_process import run
from edgebnn.training import datasets
from edgebnn.training.loop import train
from edgebnn.training.recipes import recommended
from edgebnn.training.splits import Dataset, Split
from edgebnn.workflows.prune import long_term
from tools.experiments.cpu_time import timed
from tools.experiments.saying import say, say_epochs, say_pruning

PRECISIONS = ("float", "w1a1")
SEEDS = (0, 1, 2)
STEPS, MORE_STEPS = 10, (40, 160)
WIDTHS = (16, 32, 64)
REPEATS = 3
BUDGET = "macs=0.65x"
SETTINGS = Settings(ratio=0.18, batch=64)  # two iterations
TRAINING = {"hold_out": SETTINGS.hold_out, "warmup_epochs": 0.25}
EPOCHS = {0: 3, 1: 1, 2: 1}
"""Of training before the search, by seed: longer for the seed that most runs have."""
LONG_TERM_IMAGES = 25_600
TEST_IMAGES = 5_000


@dataclass(frozen=True, order=True)
class Run:
    """One adaptation: of which network, how. ``steps`` None: those of equal time."""

    precision: str
    removal: str
    steps: int | None
    seed: int

    @property
    def name(self) -> str:
        return f"{self.precision}_{self.removal}_{self.steps or 'equal_time'}_seed{self.seed}"


def plan() -> list[Run]:
    """All runs, those first that most depends on."""

    def arms(removals: Sequence[str], steps: int | None, seeds: Sequence[int]) -> list[Run]:
        return [
            Run(precision, removal, steps, seed) for seed in seeds for precision in PRECISIONS for removal in removals
        ]

    few, more = MORE_STEPS
    first, *others = SEEDS
    return [
        *arms(("cut", "gradual"), STEPS, [first]),
        *arms(("cut", "gradual"), STEPS, others),
        *arms(("cut", "gradual"), few, [first]),
        *arms(["cut"], more, [first]),
        *arms(["cut"], None, SEEDS),
        *arms(["gradual"], more, [first]),
        *arms(("cut", "gradual"), few, others),
        *arms(("cut", "gradual"), more, others),
    ]


@dataclass(frozen=True)
class Outcome:
    """What a run came to: shares of right answers on held-out images after the search, and on test images.

    ``macs`` is the share that is left.
    """

    run: Run
    steps: int
    held_out: float
    pruned: float
    short_term: float
    long_term: float
    trained: float
    trained_held_out: float
    macs: float
    layers: tuple[str, ...]
    widths: dict[str, int]


@dataclass(frozen=True)
class Seconds:
    """Processor time of proposals that halve a stage's channels, the least of :data:`REPEATS` each.

    ``cut`` and ``gradual`` take :data:`STEPS` steps, ``cut_more`` the first of :data:`MORE_STEPS`.
    """

    cut: float
    cut_more: float
    gradual: float

    @property
    def equal_steps(self) -> int:
        """How many steps a cut proposal can take in the time of a gradual one of :data:`STEPS`."""
        a_step = (self.cut_more - self.cut) / (MORE_STEPS[0] - STEPS)
        return STEPS + max(0, round((self.gradual - self.cut) / a_step))


@dataclass(frozen=True)
class Study:
    """Where everything is kept, the images, and where proposals are trained."""

    folder: Path
    dataset: Dataset
    pool: Executor

    def trained(self, precision: str, seed: int) -> keras.Model:
        """The network that is adapted; only loaded if it is there."""
        folder = self.folder / f"{precision}_seed{seed}"
        if not (folder / "model.keras").exists():
            keras.utils.set_random_seed(seed)
            model = build("resnet8", widths=WIDTHS, precision=precision, input_shape=self.dataset.input_shape)
            recipe = replace(recommended("resnet8", precision, "cifar10"), seed=seed, epochs=EPOCHS[seed], **TRAINING)  # type: ignore[arg-type]
            train(model, self.dataset, recipe, folder, say_epochs)
        return keras.models.load_model(folder / "model.keras", compile=False)

    def seconds(self, precision: str) -> Seconds:
        """Measured now, or what was measured before. Other work disturbs it, hence in turn."""
        path = self.folder / f"{precision}_seconds.json"
        if path.exists():
            return Seconds(**json.loads(path.read_text(encoding="utf-8")))
        model = self.trained(precision, SEEDS[0])
        folder = self.folder / f"{precision}_seconds"
        folder.mkdir(exist_ok=True)
        network = store.put_file(folder, ".keras", model.save)
        training, held_out = self.dataset.hold_out(SETTINGS.hold_out, SEEDS[0])
        arrays = (training.images, training.labels, held_out.images, held_out.labels)
        data = Data(*(store.put_array(folder, array) for array in arrays))
        kinds = {"cut": ("cut", STEPS), "cut_more": ("cut", MORE_STEPS[0]), "gradual": ("gradual", STEPS)}
        groups = couple(model).groups
        prunable = [index for index, group in enumerate(groups) if group.prunable]
        index = prunable[len(prunable) // 2]  # the second stage's
        found: dict[str, list[float]] = {kind: [] for kind in kinds}
        for _ in range(REPEATS):
            for kind, (removal, steps) in kinds.items():
                settings = replace(SETTINGS, removal=removal, steps=steps)
                channels = groups[index].channels
                job = Job(folder, network, data, index, channels, channels // 2, settings, SEEDS[0])
                _, seconds = self.pool.submit(timed, run, job).result()
                found[kind].append(seconds)
        result = Seconds(**{kind: min(times) for kind, times in found.items()})
        write_text(path, json.dumps(asdict(result)))
        shutil.rmtree(folder)
        return result

    def outcome(self, chosen: Run) -> Outcome:
        """Of a run that is adapted now."""
        steps = self.seconds(chosen.precision).equal_steps if chosen.steps is None else chosen.steps
        model = self.trained(chosen.precision, chosen.seed)
        settings = replace(SETTINGS, removal=chosen.removal, steps=steps, seed=chosen.seed)
        recipe = replace(long_term(model, "cifar10", 1, settings), train_images=LONG_TERM_IMAGES)
        folder = self.folder / chosen.name
        task = Task(model, self.dataset, parse(BUDGET), replace(settings, long_term=recipe))
        result = adapt(task, RunFolder(folder), executor=self.pool, progress=say_pruning)
        shutil.rmtree(folder)
        accuracy, last = result.accuracy, result.iterations[-1]
        assert accuracy.pruned is not None
        assert accuracy.short_term is not None
        assert accuracy.long_term is not None
        return Outcome(
            run=chosen,
            steps=steps,
            held_out=last.accuracy,
            pruned=accuracy.pruned,
            short_term=accuracy.short_term,
            long_term=accuracy.long_term,
            trained=accuracy.trained,
            trained_held_out=result.history["held_out_accuracy"],
            macs=result.predicted / result.initial,
            layers=tuple(iteration.layer for iteration in result.iterations),
            widths=dict(last.widths),
        )


def halved(split: Split) -> Split:
    """The images at half their height and width, each pixel the mean of four."""
    count, height, width, channels = split.images.shape
    fours = split.images.reshape(count, height // 2, 2, width // 2, 2, channels)
    return Split(np.rint(fours.mean((2, 4), np.float32)).astype(np.uint8), split.labels)


def read(path: Path) -> Outcome:
    content = json.loads(path.read_text(encoding="utf-8"))
    return Outcome(**{**content, "run": Run(**content["run"]), "layers": tuple(content["layers"])})


@dataclass(frozen=True)
class Difference:
    """One arm minus another over the same seeds, in points; the standard error takes two seeds."""

    mean: float
    standard_error: float | None
    seeds: int


MEASURES: Mapping[str, Callable[[Outcome], float]] = {
    "held_out": lambda outcome: outcome.held_out,
    "short_term": lambda outcome: outcome.short_term,
    "long_term": lambda outcome: outcome.long_term,
}


def difference(one: Mapping[int, Outcome], other: Mapping[int, Outcome], measure: str) -> Difference | None:
    """``one`` minus ``other``, both by seed, over the seeds that both have; None if they share none."""
    seeds = sorted(one.keys() & other.keys())
    if not seeds:
        return None
    value = MEASURES[measure]
    points = np.array([100 * (value(one[seed]) - value(other[seed])) for seed in seeds])
    error = float(points.std(ddof=1) / math.sqrt(len(seeds))) if len(seeds) > 1 else None
    return Difference(float(points.mean()), error, len(seeds))


def document(outcomes: Sequence[Outcome], seconds: Mapping[str, Seconds]) -> dict[str, Any]:
    """What removal.json holds; ``seconds`` by precision, as far as they were measured."""
    return {
        "machine": machine.describe(),
        "settings": SETTINGS.as_json(),
        "training": {**TRAINING, "epochs": EPOCHS},
        "widths": WIDTHS,
        "budget": BUDGET,
        "long_term_images": LONG_TERM_IMAGES,
        "test_images": TEST_IMAGES,
        "seconds_a_proposal": {precision: asdict(found) for precision, found in seconds.items()},
        "differences": [
            {"precision": precision, "comparison": comparison, "measure": measure, **asdict(found)}
            for precision in PRECISIONS
            for comparison, (one, other) in _comparisons(outcomes, precision).items()
            for measure in MEASURES
            if (found := difference(one, other, measure))
        ],
        "runs": [asdict(outcome) for outcome in sorted(outcomes, key=_order)],
    }


def _order(outcome: Outcome) -> tuple[str, int, str, int]:
    return outcome.run.precision, outcome.steps, outcome.run.removal, outcome.run.seed


def _comparisons(
    outcomes: Sequence[Outcome], precision: str
) -> dict[str, tuple[dict[int, Outcome], dict[int, Outcome]]]:
    def arm(removal: str, steps: int | None) -> dict[int, Outcome]:
        return {o.run.seed: o for o in outcomes if o.run == Run(precision, removal, steps, o.run.seed)}

    base, gradual = arm("cut", STEPS), arm("gradual", STEPS)
    more = {f"cut, {steps} steps minus {STEPS}": (arm("cut", steps), base) for steps in MORE_STEPS}
    later = {
        f"gradual minus cut, {steps} steps": (arm("gradual", steps), arm("cut", steps))
        for steps in (STEPS, *MORE_STEPS)
    }
    return {**later, "gradual minus cut, equal time": (gradual, arm("cut", None)), **more}


def markdown(content: Mapping[str, Any]) -> str:
    """Two tables: every run, and the differences."""
    lines = [
        "| network | removal | steps | seed | trained | after the search: held out | test | trained on: test | MACs |",
        "|---|---|---|---|---|---|---|---|---|",
        *(
            f"| {o['run']['precision']} | {o['run']['removal']} "
            f"| {o['steps']}{'' if o['run']['steps'] else ' (equal time)'} | {o['run']['seed']} "
            f"| {o['trained']:.2%} | {o['held_out']:.2%} | {o['short_term']:.2%} "
            f"| {o['long_term']:.2%} | {o['macs']:.3f} |"
            for o in content["runs"]
        ),
        "",
        "| network | in points | seeds | held out | after the search | trained on |",
        "|---|---|---|---|---|---|",
    ]
    rows: dict[tuple[str, str, int], dict[str, str]] = {}
    for found in content["differences"]:
        error = "" if found["standard_error"] is None else f" ± {found['standard_error']:.2f}"
        row = rows.setdefault((found["precision"], found["comparison"], found["seeds"]), {})
        row[found["measure"]] = f"{found['mean']:+.2f}{error}"
    lines += [
        f"| {precision} | {comparison} | {seeds} | {' | '.join(row[measure] for measure in MEASURES)} |"
        for (precision, comparison, seeds), row in rows.items()
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--run-dir", type=Path, required=True, help="where everything is kept")
    parser.add_argument("--workers", type=int, default=1, help="proposals at once")
    options = parser.parse_args()
    options.run_dir.mkdir(parents=True, exist_ok=True)
    dataset = datasets.load("cifar10")
    judging = np.random.default_rng(0).permutation(len(dataset.test))[:TEST_IMAGES]
    dataset = replace(dataset, train=halved(dataset.train), test=halved(dataset.test.take(np.sort(judging))))
    outcomes: list[Outcome] = []
    with local_pool(options.workers) as pool:
        study = Study(options.run_dir, dataset, pool)
        for chosen in plan():
            path = options.run_dir / f"{chosen.name}.json"
            if path.exists():
                outcomes.append(read(path))
                continue
            outcomes.append(study.outcome(chosen))
            write_text(path, json.dumps(asdict(outcomes[-1]), indent=1))
            measured = {outcome.run.precision for outcome in outcomes if outcome.run.steps is None}
            content = document(outcomes, {precision: study.seconds(precision) for precision in sorted(measured)})
            write_text(options.run_dir / "removal.json", json.dumps(content, indent=1))
            write_text(options.run_dir / "removal.md", markdown(content))
            say(f"{chosen.name}: {outcomes[-1]}")


if __name__ == "__main__":
    main()
