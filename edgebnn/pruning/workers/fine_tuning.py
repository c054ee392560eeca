"""A proposal's work inside a training process: the only part of a job that needs TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgebnn import machine
from edgebnn._tensorflow import keras
from edgebnn.errors import InputError
from edgebnn.preprocessing import preprocess
from edgebnn.pruning.channels import surgery
from edgebnn.pruning.channels.coupling import Group, couple
from edgebnn.pruning.search import importance, store
from edgebnn.pruning.search.settings import Settings
from edgebnn.pruning.workers import normalization
from edgebnn.pruning.workers.job import Job, ProposalResult
from edgebnn.training.compute import computing_in
from edgebnn.training.evaluation import evaluate, inference
from edgebnn.training.loop import compile_step
from edgebnn.training.optimizers import make_optimizer
from edgebnn.training.recipe import Recipe
from edgebnn.training.splits import Split

_ORDER, _SAMPLES = 0x0BDE, 0x5A3B  # streams of random numbers drawn from one seed

# What decides which code TensorFlow and its libraries run on x86, and with it the last bits of every sum.
_DECIDING = ("avx", "avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "avx_vnni", "amx_tile")


def cpu_class() -> str:
    """The class of this machine's CPU within which a training with one thread repeats exactly."""
    flags = machine.cpu_flags()
    return " ".join([machine.cpu_class().split()[0], *(flag for flag in _DECIDING if flag in flags)])


def perform(job: Job) -> ProposalResult:
    """Cut, fine-tune and judge. Raises :class:`InputError` for a job that does not fit its network."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(job.seed)
    network = keras.models.load_model(job.store / job.network, compile=False)
    group = _group(network, job)
    training = _split(job, job.data.train_images, job.data.train_labels)
    kept = channels_kept(network, group, job.width, training, job.settings, job.seed)
    cut = surgery.cut(network, {group.name: kept})
    with computing_in(job.settings.compute):
        failure = _fine_tune(cut, training, job.settings, job.seed)
    loss, accuracy = None, None
    if failure is None:
        batches = _batches(cut, training, job.settings, job.settings.recalibration, job.seed)
        normalization.recalibrate(cut, (images for images, _ in batches))
        held_out = _split(job, job.data.held_out_images, job.data.held_out_labels)
        loss, accuracy = evaluate(inference(cut), held_out)
        if not math.isfinite(loss):
            loss, accuracy, failure = None, None, "the loss on held-out images is not finite"
    return ProposalResult(kept, accuracy, loss, failure, cpu_class(), tuple(cut.get_weights()))


def channels_kept(
    network: keras.Model, group: Group, width: int, training: Split, settings: Settings, seed: int
) -> tuple[int, ...]:
    """The ``width`` channels of ``group`` that matter most, in ascending order."""
    name = settings.importance
    function = importance.IMPORTANCES[name] if isinstance(name, str) else name
    chosen = np.random.default_rng([seed, _SAMPLES]).permutation(len(training))[: settings.importance_images]
    looked_at = training.take(np.sort(chosen))
    scores = function(network, group, (preprocess(looked_at.images, _size(network)), looked_at.labels), seed)
    return tuple(importance.keep(scores, width))


def _size(network: keras.Model) -> tuple[int, int]:
    """(height, width) of the images it takes."""
    _, height, width, _ = network.input_shape
    return height, width


def _group(network: keras.Model, job: Job) -> Group:
    groups = couple(network).groups
    if job.group >= len(groups) or groups[job.group].channels != job.channels:
        raise InputError(f"{job.network}: is not the network that the proposal was made for")
    return groups[job.group]


def _split(job: Job, images: str, labels: str) -> Split:
    return Split(store.array(job.store, images), np.array(store.array(job.store, labels)))


def _fine_tune(network: keras.Model, training: Split, settings: Settings, seed: int) -> str | None:
    """Train ``network`` in place for a short term; why that failed, or None."""
    recipe = Recipe(
        epochs=1,
        batch=settings.batch,
        learning_rate=settings.learning_rate,
        schedule="constant",
        optimizer=settings.optimizer,
        weight_decay=settings.weight_decay,
    )
    step = compile_step(network, make_optimizer(network, recipe))
    for number, (images, labels) in enumerate(_batches(network, training, settings, settings.steps, seed), start=1):
        loss, _ = step(images, labels)
        if not math.isfinite(loss.numpy().item()):
            return f"the loss is not finite after step {number}"
    if not all(np.isfinite(weight.numpy()).all() for weight in network.weights):
        return "a weight is not finite"
    return None


def _batches(
    network: keras.Model, training: Split, settings: Settings, count: int, seed: int
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int32]]]:
    """``count`` batches as ``network`` takes them: each image once before any comes again, each time in a new order."""
    rng = np.random.default_rng([seed, _ORDER])
    batch = min(settings.batch, len(training))
    order = rng.permutation(len(training))
    for _ in range(count):
        if len(order) < batch:
            order = rng.permutation(len(training))
        chosen = training.take(np.sort(order[:batch]))
        yield preprocess(chosen.images, _size(network)), chosen.labels
        order = order[batch:]
