"""What a demo does, and where it puts things."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console

from edgebnn.errors import InputError
from edgebnn.files import check_writable
from edgebnn.training import recipes
from edgebnn.training.recipes import Training
from edgebnn.training.splits import Dataset

from .steps import Steps, code_digest, digest


@dataclass(frozen=True)
class Plan:
    """The training, the accuracy asked for, and how many test images the reference executor gets."""

    training: Training
    required: float
    reference_images: int


FULL = Plan(recipes.DEMO, required=0.985, reference_images=10_000)
FAST = Plan(recipes.DEMO_FAST, required=0.90, reference_images=1_000)


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

    @property
    def training_key(self) -> str:
        """Stands for everything the training depends on."""
        data = self.dataset
        images = digest(data.train.images.tobytes() + data.train.labels.tobytes())
        code = code_digest("edgebnn.models", "edgebnn.training", "edgebnn.preprocessing")
        return digest(repr((asdict(self.plan.training), images, code)).encode())

    @property
    def training_folder(self) -> Path:
        """Another training gets another folder, so that an interrupted one is not lost to a changed option."""
        return self.folder / f"training-{self.training_key[:12]}"

    @property
    def trained(self) -> Path:
        return self.training_folder / "model.keras"

    @property
    def deployed(self) -> Path:
        return self.folder / "model.tflite"

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
    """The plan with ``seed`` in its training."""
    plan = FAST if fast else FULL
    recipe = replace(plan.training.recipe, seed=seed)
    return replace(plan, training=replace(plan.training, recipe=recipe))


def folder_for(out: Path) -> Path:
    """``out``, made if it is not there. Raises InputError where nothing can be written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: cannot be made a folder ({error.strerror}); choose another with -o") from None
    check_writable(out / "report.html")
    return out
