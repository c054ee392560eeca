"""Retraining: what a network loses when its bits go down, won back, with its accuracy at every stage.

Knows nothing of files and runtimes: the workflow (:mod:`edgebnn.workflows.retrain`) hands in a :class:`Deployment`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np

from edgebnn._tensorflow import keras
from edgebnn.errors import InputError
from edgebnn.files import write_text
from edgebnn.models.rebuild import copied, rebuild
from edgebnn.preprocessing import preprocess
from edgebnn.training import checkpoints
from edgebnn.training.binarization import binarize, binary_layers, follow, has_binary_weights, settle
from edgebnn.training.evaluation import evaluate, inference
from edgebnn.training.expansion import expanded
from edgebnn.training.history import EpochMetrics, ProgressCallback
from edgebnn.training.loop import check_fit, train
from edgebnn.training.method import Method, cross_entropy, distilled, nothing
from edgebnn.training.plans import Plan, Target
from edgebnn.training.quantization import frozen, quantize_aware
from edgebnn.training.splits import Dataset

StageName: TypeAlias = Literal["float", "given", "post-training", "retrained", "converted", "deployed"]

_FEW = 16  # images for a first look at ranges

STAGES, TRAINING, UNTRAINED, FILE = "stages.json", "training", "post-training.tflite", "model.tflite"


@dataclass(frozen=True)
class Stage:
    """Top-1 accuracy, a share, over all ``samples`` test images, measured; ``where`` says what computed it."""

    name: StageName
    accuracy: float
    samples: int
    where: str


@dataclass(frozen=True)
class Deployment:
    """What retraining needs to know of deployment.

    Attributes:
        write: the .tflite file of a Keras model, in the precision retrained to; ranges that the model lacks are taken
            from training images.
        check: told before any work the network as it would be deployed now; raises if it cannot be.
        accuracy: of a .tflite file on the whole test set, in the runtime or, with True, on kernels that are exact.
    """

    write: Callable[[Any, Path], None]
    accuracy: Callable[[Path, bool], float]
    check: Callable[[Any], None] = lambda model: None


@dataclass(frozen=True)
class Retrained:
    """The outcome: accuracies in the order of the work, the epochs, the deployed file and the Keras model it is of."""

    to: Target
    stages: tuple[Stage, ...]
    epochs: tuple[EpochMetrics, ...]
    file: Path
    model: Path

    def accuracy(self, stage: StageName) -> float:
        """Of the stage called ``stage``; raises KeyError if there was none."""
        return {entry.name: entry.accuracy for entry in self.stages}[stage]


@dataclass(frozen=True, eq=False)
class RetrainingTask:
    """What is retrained, on what, and how.

    Attributes:
        model: [N, H, W, C] -> [N, classes] logits, of any widths; it is not changed.
        dataset: of as many classes.
        plan: the precision, and the way to it.
        parent: teaches; by default ``model`` itself where its weights are float.
    """

    model: keras.Model
    dataset: Dataset
    plan: Plan
    parent: keras.Model | None = None


def retrain(
    task: RetrainingTask,
    run_dir: Path,
    deployment: Deployment,
    *,
    progress: ProgressCallback | None = None,
    tell: Callable[[Stage], None] | None = None,
) -> Retrained:
    """Bring a model to fewer bits.

    Called again after an interruption with the same arguments it goes on.

    Args:
        task: what is done.
        run_dir: where what is done is found: ``stages.json``, ``model.tflite``, and in ``training`` what
            :func:`.loop.train` leaves, the retrained model in layers of Keras and Larq alone among it.
        deployment: what the precision's files are, and what they give.
        progress: told after each step.
        tell: told each stage once it is measured.

    Returns:
        The accuracy at every stage, the file and the model.

    Raises:
        InputError: if model, data and plan do not fit, or the folder holds another run or cannot be written.
        TrainingError: as :func:`.loop.train`.
    """
    model, dataset, plan, parent = task.model, task.dataset, task.plan, task.parent
    check_fit(model, dataset)
    given, model = model, model if plan.to == "w1a1" else expanded(model)
    binary = any(map(has_binary_weights, model.layers))
    _check_target(model, plan.to, binary)
    _check_expansion(given, given if plan.to == "w1a1" else expanded(given, rounding=True), dataset)
    if parent is None and not binary:
        parent = given
    elif parent is not None:
        check_fit(parent, dataset)
    student, method = _student(model, parent, plan, binary)
    deployment.check(_untrained(student, method, dataset))
    checkpoints.claim_folder(run_dir, "retraining", _identity(given, parent, dataset, plan))
    done = _Stages(run_dir / STAGES, len(dataset.test), tell or (lambda stage: None))

    done.measure("given" if binary else "float", "Keras", lambda: evaluate(inference(given), dataset.test)[1])
    if plan.to == "int8" or not binary:

        def untrained() -> float:
            deployment.write(binarize(model) if plan.to == "w1a8" else given, run_dir / UNTRAINED)
            return deployment.accuracy(run_dir / UNTRAINED, False)

        done.measure("post-training", "the file, deployed, without retraining", untrained)
    history = train(student, dataset, plan.recipe, run_dir / TRAINING, progress, method)
    done.measure("retrained", "Keras, with fake quantization", lambda: history.test_accuracy)
    file = run_dir / FILE

    def converted() -> float:
        deployment.write(method.result(student), file)
        return deployment.accuracy(file, True)

    done.measure("converted", "the file, on exact kernels", converted)
    done.measure("deployed", "the file, in the runtime", lambda: deployment.accuracy(file, False))
    return Retrained(plan.to, done.stages, history.epochs, file, history.model_path)


def _check_target(model: keras.Model, to: Target, binary: bool) -> None:
    signs = any(getattr(layer, "input_quantizer", None) is not None for layer in model.layers)
    if to == "w1a1" and not signs:
        raise InputError(
            f"model '{model.name}' is not W1A1, and no graph becomes it layer by layer: its shortcuts and ReLUs are "
            "others; train it with `edgebnn train --precision w1a1`"
        )
    if to != "w1a1" and signs:
        raise InputError(f"model '{model.name}' has binary feature maps; it can only be retrained to w1a1")
    if to == "int8" and binary:
        raise InputError(f"model '{model.name}' has binary weights; retrain it to w1a8")
    if to == "w1a8" and not binary and not binary_layers(model):
        raise InputError(
            f"model '{model.name}' has no layer to be binarized: the first, the last and 1x1 convolutions stay 8-bit"
        )


def _check_expansion(given: keras.Model, model: keras.Model, dataset: Dataset) -> None:
    """Raise InputError if the network of one layer an op does not compute what the one given does."""
    images = _few(given, dataset)
    expected, found = (network(images, training=False).numpy() for network in (given, model))
    if not np.allclose(found, expected, rtol=1e-3, atol=1e-3 * max(1.0, float(np.abs(expected).max()))):
        raise InputError(
            f"model '{given.name}' computes something else when its layers are made anew: one of its classes does not "
            "follow from its configuration and weights alone"
        )


def _untrained(student: keras.Model, method: Method, dataset: Dataset) -> keras.Model:
    """What would be deployed of ``student`` if it learnt no more than ranges, from some images; it stays as it is."""
    before = student.get_weights()
    method.before_step(1.0)
    student(_few(student, dataset), training=True)
    result = method.result(student)
    student.set_weights(before)
    return result


def _few(model: keras.Model, dataset: Dataset) -> Any:
    _, height, width, _ = model.input_shape
    return preprocess(dataset.train.images[:_FEW], (height, width))


def _student(model: keras.Model, parent: keras.Model | None, plan: Plan, binary: bool) -> tuple[keras.Model, Method]:
    """The network that is trained, and how."""
    distillation = None if parent is None else plan.distillation
    descent = None if binary or plan.to != "w1a8" else plan.descent
    loss = cross_entropy if distillation is None else distilled(parent, distillation)
    identity = {
        "to": plan.to,
        "distillation": None if distillation is None else asdict(distillation),
        "descent": None if descent is None else asdict(descent),
    }
    if plan.to == "w1a1":
        return rebuild(model, copied), Method(loss=loss, identity=identity)
    student = quantize_aware(model if plan.to == "int8" else binarize(model, gradual=descent is not None))
    return student, Method(
        loss=loss,
        before_step=nothing if descent is None else follow(student, descent),
        result=lambda trained: settle(frozen(trained)),
        identity=identity,
    )


def _identity(
    model: keras.Model, parent: keras.Model | None, dataset: Dataset, plan: Plan
) -> dict[str, dict[str, Any]]:
    networks = {"network": model} if parent is None or parent is model else {"network": model, "parent": parent}
    return {
        "start": {role: f"{network.name}, {_digest(network)}" for role, network in networks.items()},
        "data": checkpoints.describe_data(dataset),
        "plan": asdict(plan),
    }


def _digest(model: keras.Model) -> str:
    """Of layers and weights."""
    digest = hashlib.sha256()
    for layer in model.layers:
        digest.update(f"{layer.name} {type(layer).__name__}".encode())
    for weights in model.get_weights():
        digest.update(weights.tobytes())
    return digest.hexdigest()[:16]


class _Stages:
    """The stages measured so far, kept in a file."""

    def __init__(self, path: Path, samples: int, tell: Callable[[Stage], None]) -> None:
        self._path, self._samples, self._tell = path, samples, tell
        self._known = _read(path)
        self._done: list[Stage] = []

    @property
    def stages(self) -> tuple[Stage, ...]:
        return tuple(self._done)

    def measure(self, name: StageName, where: str, accuracy: Callable[[], float]) -> None:
        """Add a stage, measured now unless it was before."""
        known = [stage for stage in self._known if stage.name == name]
        stage = known[0] if known else Stage(name, accuracy(), self._samples, where)
        self._done.append(stage)
        if not known:
            self._known = (*self._known, stage)
            write_text(self._path, json.dumps([asdict(entry) for entry in self._known], indent=1))
        self._tell(stage)


def _read(path: Path) -> tuple[Stage, ...]:
    """Raises InputError for a file that is not whole."""
    if not path.exists():
        return ()
    try:
        return tuple(Stage(**entry) for entry in json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path}: is damaged ({error}); delete it, and its stages are measured again") from None
