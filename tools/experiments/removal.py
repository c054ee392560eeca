#!/usr/bin/env python3
"""Channels cut at once against channels that fade out under TF-MOT's masks, and how many short-term steps pay.

Usage: .venv/bin/python -m tools.experiments.removal --run-dir DIR [--size 32] [--results DIR] [--workers N]

ResNet-8 on CIFAR-10, float and W1A1, is trained for a short while for each of three seeds, adapted to a share of its
multiply-accumulates with each way of removal, and trained on: at 16x16 for many runs, or at 32x32 for few. Equal steps:
both with as many. Equal time: channels cut, with as many steps as take the processor time of the gradual ones, measured
on single proposals in turn. A run that is finished is kept as one JSON file among the results and not done again; one
that was interrupted goes on. removal.json and removal.md are written after each.
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
from edgebnn.pruning.search.netadapt import adapt, check
from edgebnn.pruning.search.run_folder import RunFolder
from edgebnn.pruning.search.task import Task
from edgebnn.pruning.settings import REMOVALS, Settings
from edgebnn.pruning.workers.executors import local_pool
from edgebnn.pruning.workers.job import Data, Job
from edgebnn.pruning.workers.training_process import run, use_one_thread
from edgebnn.training import datasets
from edgebnn.training.loop import train
from edgebnn.training.recipes import recommended
from edgebnn.training.splits import Dataset, Split
from edgebnn.workflows.prune import long_term
from tools.experiments.cpu_time import timed
from tools.experiments.saying import say, say_epochs, say_pruning

PRECISIONS = ("float", "w1a1")
SEEDS = (0, 1, 2)
WIDTHS = (16, 32, 64)
REPEATS = 3
BUDGET = "macs=0.65x"
LONG_TERM_IMAGES = 25_600


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


@dataclass(frozen=True)
class Scale:
    """How large a comparison is.

    Attributes:
        size: height and width of the images.
        settings: of the search; ``steps`` are those of the runs with equal steps.
        more_steps: than those.
        epochs: of training before the search, by seed.
        test_images: that networks are judged on in the end.
        runs: all of them, those first that most depends on.
    """

    size: int
    settings: Settings
    more_steps: tuple[int, ...]
    epochs: Mapping[int, int]
    test_images: int
    runs: tuple[Run, ...]

    @property
    def training(self) -> dict[str, Any]:
        """What the training before the search has besides its recommended recipe."""
        return {"hold_out": self.settings.hold_out, "warmup_epochs": 0.25}

    def dataset(self) -> Dataset:
        """CIFAR-10 at this size."""
        dataset = datasets.load("cifar10")
        judging = np.random.default_rng(0).permutation(len(dataset.test))[: self.test_images]
        dataset = replace(dataset, test=dataset.test.take(np.sort(judging)))
        if self.size == dataset.input_shape[0]:
            return dataset
        return replace(dataset, train=halved(dataset.train), test=halved(dataset.test))


def _arms(removals: Sequence[str], steps: int | None, seeds: Sequence[int]) -> list[Run]:
    return [Run(precision, removal, steps, seed) for seed in seeds for precision in PRECISIONS for removal in removals]


def _many() -> Scale:
    """Small images and a first training of one epoch, but for the seed that most runs have."""
    steps, few, more = 10, 40, 160
    first, *others = SEEDS
    runs = (
        *_arms(REMOVALS, steps, [first]),
        *_arms(REMOVALS, steps, others),
        *_arms(REMOVALS, few, [first]),
        *_arms(["cut"], more, [first]),
        *_arms(["cut"], None, SEEDS),
        *_arms(["gradual"], more, [first]),
        *_arms(REMOVALS, few, others),
        *_arms(REMOVALS, more, others),
    )
    settings = Settings(ratio=0.18, batch=64, steps=steps)  # two iterations
    return Scale(16, settings, (few, more), {0: 3, 1: 1, 2: 1}, 5_000, runs)


def _full() -> Scale:
    """The images as they are."""
    steps = 40
    first, second, third = SEEDS
    runs = (
        *_arms(REMOVALS, steps, [first, second]),
        *_arms(["cut"], None, [first]),
        *_arms(REMOVALS, steps, [third]),
    )
    settings = Settings(ratio=0.125, batch=64, steps=steps)  # three iterations
    return Scale(32, settings, (80,), dict.fromkeys(SEEDS, 4), 10_000, runs)


SCALES: Mapping[int, Callable[[], Scale]] = {16: _many, 32: _full}
"""By the size of images."""


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

    ``cut`` and ``gradual`` take the steps of the runs with equal steps, ``cut_more`` the first number above.
    """

    cut: float
    cut_more: float
    gradual: float

    def equal_steps(self, scale: Scale) -> int:
        """How many steps a cut proposal can take in the time of a gradual one."""
        steps = scale.settings.steps
        a_step = (self.cut_more - self.cut) / (scale.more_steps[0] - steps)
        return steps + max(0, round((self.gradual - self.cut) / a_step))


@dataclass(frozen=True)
class Study:
    """Where networks and results are kept, the images, and where proposals are trained."""

    folder: Path
    results: Path
    scale: Scale
    dataset: Dataset
    pool: Executor

    def trained(self, precision: str, seed: int) -> keras.Model:
        """The network that is adapted; only loaded if it is there."""
        folder = self.folder / f"{precision}_seed{seed}"
        if not (folder / "model.keras").exists():
            keras.utils.set_random_seed(seed)
            model = build("resnet8", widths=WIDTHS, precision=precision, input_shape=self.dataset.input_shape)
            recipe = recommended("resnet8", precision, "cifar10")
            recipe = replace(recipe, seed=seed, epochs=self.scale.epochs[seed], **self.scale.training)
            train(model, self.dataset, recipe, folder, say_epochs)
        return keras.models.load_model(folder / "model.keras", compile=False)

    def seconds(self, precision: str) -> Seconds:
        """Measured now, or what was measured before. Other work disturbs it, hence in turn."""
        path = self.results / f"{precision}_seconds.json"
        if path.exists():
            return Seconds(**json.loads(path.read_text(encoding="utf-8")))
        model = self.trained(precision, SEEDS[0])
        folder = self.folder / f"{precision}_seconds"
        folder.mkdir(exist_ok=True)
        network = store.put_file(folder, ".keras", model.save)
        shared = self.scale.settings
        training, held_out = self.dataset.hold_out(shared.hold_out, SEEDS[0])
        arrays = (training.images, training.labels, held_out.images, held_out.labels)
        data = Data(*(store.put_array(folder, array) for array in arrays))
        steps, more = shared.steps, self.scale.more_steps[0]
        kinds = {"cut": ("cut", steps), "cut_more": ("cut", more), "gradual": ("gradual", steps)}
        groups = couple(model).groups
        prunable = [index for index, group in enumerate(groups) if group.prunable]
        index = prunable[len(prunable) // 2]  # the second stage's
        found: dict[str, list[float]] = {kind: [] for kind in kinds}
        for _ in range(REPEATS):
            for kind, (removal, taken) in kinds.items():
                settings = replace(shared, removal=removal, steps=taken)
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
        steps = self.seconds(chosen.precision).equal_steps(self.scale) if chosen.steps is None else chosen.steps
        model = self.trained(chosen.precision, chosen.seed)
        settings = replace(self.scale.settings, removal=chosen.removal, steps=steps, seed=chosen.seed)
        recipe = replace(long_term(model, "cifar10", 1, settings), train_images=LONG_TERM_IMAGES)
        folder = self.folder / chosen.name
        task = Task(model, self.dataset, parse(BUDGET), replace(settings, long_term=recipe))
        result = adapt(check(task), RunFolder(folder), executor=self.pool, progress=say_pruning)
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


def document(scale: Scale, outcomes: Sequence[Outcome], seconds: Mapping[str, Seconds]) -> dict[str, Any]:
    """What removal.json holds; ``seconds`` by precision, as far as they were measured."""
    return {
        "machine": machine.describe(),
        "image_size": scale.size,
        "settings": scale.settings.as_json(),
        "training": {**scale.training, "epochs": dict(scale.epochs)},
        "widths": WIDTHS,
        "budget": BUDGET,
        "long_term_images": LONG_TERM_IMAGES,
        "test_images": scale.test_images,
        "seconds_a_proposal": {precision: asdict(found) for precision, found in seconds.items()},
        "differences": [
            {"precision": precision, "comparison": comparison, "measure": measure, **asdict(found)}
            for precision in PRECISIONS
            for comparison, (one, other) in _comparisons(scale, outcomes, precision).items()
            for measure in MEASURES
            if (found := difference(one, other, measure))
        ],
        "runs": [asdict(outcome) for outcome in sorted(outcomes, key=_order)],
    }


def _order(outcome: Outcome) -> tuple[str, int, str, int]:
    return outcome.run.precision, outcome.steps, outcome.run.removal, outcome.run.seed


def _comparisons(
    scale: Scale, outcomes: Sequence[Outcome], precision: str
) -> dict[str, tuple[dict[int, Outcome], dict[int, Outcome]]]:
    def arm(removal: str, steps: int | None) -> dict[int, Outcome]:
        return {o.run.seed: o for o in outcomes if o.run == Run(precision, removal, steps, o.run.seed)}

    few = scale.settings.steps
    base, gradual = arm("cut", few), arm("gradual", few)
    more = {f"cut, {steps} steps minus {few}": (arm("cut", steps), base) for steps in scale.more_steps}
    later = {
        f"gradual minus cut, {steps} steps": (arm("gradual", steps), arm("cut", steps))
        for steps in (few, *scale.more_steps)
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
    parser.add_argument("--run-dir", type=Path, required=True, help="where networks and unfinished runs are kept")
    parser.add_argument("--size", type=int, choices=SCALES, default=16, help="height and width of the images")
    parser.add_argument("--results", type=Path, help="where finished runs are kept, by default in --run-dir")
    parser.add_argument("--workers", type=int, default=1, help="proposals at once")
    options = parser.parse_args()
    use_one_thread()  # so that a network trained again comes out the same
    scale = SCALES[options.size]()
    results = options.results or options.run_dir
    for folder in (options.run_dir, results):
        folder.mkdir(parents=True, exist_ok=True)
    outcomes: list[Outcome] = []
    with local_pool(options.workers) as pool:
        study = Study(options.run_dir, results, scale, scale.dataset(), pool)
        for chosen in scale.runs:
            path = results / f"{chosen.name}.json"
            if path.exists():
                outcomes.append(read(path))
                continue
            outcomes.append(study.outcome(chosen))
            write_text(path, json.dumps(asdict(outcomes[-1]), indent=1))
            measured = {outcome.run.precision for outcome in outcomes if outcome.run.steps is None}
            content = document(scale, outcomes, {precision: study.seconds(precision) for precision in sorted(measured)})
            write_text(results / "removal.json", json.dumps(content, indent=1))
            write_text(results / "removal.md", markdown(content))
            say(f"{chosen.name}: {outcomes[-1]}")


if __name__ == "__main__":
    main()
