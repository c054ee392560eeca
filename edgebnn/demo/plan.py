"""What a demo does, and where it puts things."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from edgebnn.errors import InputError
from edgebnn.files import check_writable, digest
from edgebnn.pruning.settings import Settings
from edgebnn.training import plans, recipes
from edgebnn.training.recipe import Recipe
from edgebnn.training.recipes import Training
from edgebnn.training.splits import Dataset
from edgebnn.workflows.prune import BINARY_RATE

from .steps import Steps, code_digest

HARDWARE = "pi4"
"""The machine that the deployed network is planned for: where a user's would run, without one."""


@dataclass(frozen=True)
class Retraining:
    """A float network, how it is brought to fewer bits, and what is asked of it deployed.

    ``required`` is the accuracy, ``within`` how much less than the float network's it may be, both as shares.
    """

    parent: Training
    plan: plans.Plan
    required: float
    within: float


@dataclass(frozen=True)
class Pruning:
    """What the deployed network is cut down to, how, and the accuracy asked of it then."""

    budget: str
    settings: Settings
    required: float


@dataclass(frozen=True)
class Plan:
    """The trainings, the accuracy asked for, and how many test images the reference executor gets."""

    training: Training
    required: float
    reference_images: int
    retraining: Retraining
    pruning: Pruning


def _settings(long_term: Recipe, **changes: Any) -> Settings:
    """Those that ``edgebnn prune`` makes of its options for MNIST and a binary network."""
    settings = Settings(**changes)
    recipe = replace(long_term, learning_rate=BINARY_RATE, augmentation="shift", hold_out=settings.hold_out)
    return replace(settings, long_term=recipe)


FULL = Plan(
    recipes.DEMO,
    required=0.985,
    reference_images=10_000,
    retraining=Retraining(recipes.DEMO_PARENT, recipes.DEMO_RETRAINING, required=0.99, within=0.003),
    pruning=Pruning(
        "latency=0.85x",
        _settings(Recipe(3), ratio=0.05, iterations=8, steps=20),
        required=0.975,
    ),
)
FAST = Plan(
    recipes.DEMO_FAST,
    required=0.90,
    reference_images=1_000,
    retraining=Retraining(recipes.DEMO_PARENT_FAST, recipes.DEMO_RETRAINING_FAST, required=0.90, within=0.05),
    pruning=Pruning(
        "macs=0.9x",  # a table of latencies takes half a minute to measure
        _settings(Recipe(1, train_images=8_000), ratio=0.1, iterations=2, steps=5, hold_out=256),
        required=0.90,
    ),
)


@dataclass(frozen=True)
class Run:
    """One run of a plan on its data. All files are in ``steps.folder``; ``fast`` and ``seed`` chose the plan."""

    plan: Plan
    dataset: Dataset
    steps: Steps
    console: Console
    fast: bool
    seed: int

    @property
    def folder(self) -> Path:
        return self.steps.folder

    def key(self, training: object) -> str:
        """Stands for everything that ``training``, a dataclass of plain values, depends on."""
        data = self.dataset
        images = digest(data.train.images.tobytes() + data.train.labels.tobytes())
        code = code_digest("edgebnn.models", "edgebnn.training", "edgebnn.preprocessing")
        return digest(repr((training, images, code)).encode())

    def training_folder(self, name: str, training: object) -> Path:
        """Another training gets another folder, so that an interrupted one is not lost to a changed option."""
        return self.folder / f"{name}-{self.key(training)[:12]}"

    @property
    def trained(self) -> Path:
        return self.training_folder("training", self.plan.training) / "model.keras"

    @property
    def parent(self) -> Path:
        """The float network that is retrained."""
        return self.training_folder("parent", self.plan.retraining.parent) / "model.keras"

    @property
    def retraining_folder(self) -> Path:
        return self.training_folder("retraining", self.plan.retraining)

    @property
    def retrained(self) -> Path:
        """The retrained network, deployed: 1-bit weights, 8-bit feature maps."""
        return self.folder / "w1a8.tflite"

    @property
    def pruning_folder(self) -> Path:
        """Everything of the pruning: history, charts, networks. Times hold for one version of the kernels only."""
        code = code_digest("edgebnn.pruning", "edgebnn.workflows", "edgebnn.runtime")
        return self.training_folder("pruning", (self.plan.pruning, self.plan.training, code))

    @property
    def pruned(self) -> Path:
        """The pruned network, deployed."""
        return self.folder / "pruned.tflite"

    @property
    def deployed(self) -> Path:
        return self.folder / "model.tflite"

    @property
    def in_int8(self) -> Path:
        """The deployed network with int8 around its binary layers, calibrated: for processors without floats."""
        return self.folder / "model_int8.tflite"

    @property
    def in_float(self) -> Path:
        return self.folder / "float.tflite"

    @property
    def outputs(self) -> Path:
        """The deployed model's outputs for all test images."""
        return self.folder / "outputs.npy"

    @property
    def report(self) -> Path:
        return self.folder / "report.html"

    @property
    def report_data(self) -> Path:
        return self.folder / "report.json"


def chosen(fast: bool, seed: int) -> Plan:
    """The plan with ``seed`` in its trainings."""
    plan = FAST if fast else FULL
    parent, to_w1a8 = plan.retraining.parent, plan.retraining.plan
    retraining = replace(
        plan.retraining,
        parent=replace(parent, recipe=replace(parent.recipe, seed=seed)),
        plan=replace(to_w1a8, recipe=replace(to_w1a8.recipe, seed=seed)),
    )
    training = replace(plan.training, recipe=replace(plan.training.recipe, seed=seed))
    return replace(plan, training=training, retraining=retraining, pruning=_seeded(plan.pruning, seed))


def _seeded(pruning: Pruning, seed: int) -> Pruning:
    settings = pruning.settings
    long_term = settings.long_term and replace(settings.long_term, seed=seed)
    return replace(pruning, settings=replace(settings, seed=seed, long_term=long_term))


def folder_for(out: Path) -> Path:
    """``out``, made if it is not there. Raises InputError where nothing can be written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: cannot be made a folder ({error.strerror}); choose another with -o") from None
    check_writable(out / "report.html")
    return out
