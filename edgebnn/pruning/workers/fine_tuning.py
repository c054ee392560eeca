"""A proposal's work inside a training process: the only part of a job that needs TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebnn import machine
from edgebnn._tensorflow import keras
from edgebnn.errors import InputError
from edgebnn.models import saving
from edgebnn.preprocessing import preprocess
from edgebnn.pruning import store
from edgebnn.pruning.channels import importance, surgery
from edgebnn.pruning.channels.coupling import Group, couple
from edgebnn.pruning.settings import Settings
from edgebnn.pruning.workers.job import Job, ProposalResult
from edgebnn.training.compute import computing_in
from edgebnn.training.evaluation import evaluate, inference
from edgebnn.training.loop import compile_step
from edgebnn.training.method import make_optimizer
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
    """Remove channels, fine-tune and judge. Raises :class:`InputError` for a job that does not fit its network."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(job.seed)
    network = saving.load(job.store / job.network, job.code)
    group = _group(network, job)
    training = _split(job, job.data.train_images, job.data.train_labels)
    scores = _scores(network, group, training, job.settings, job.seed)
    kept = tuple(importance.keep(scores, job.width))
    with computing_in(job.settings.compute):
        cut, failure = _REMOVALS[job.settings.removal](network, group, scores, training, job)
    loss, accuracy = None, None
    if failure is None:
        batches = _batches(cut, training, job.settings, job.settings.recalibration, job.seed)
        recalibrate(cut, (images for images, _ in batches))
        held_out = _split(job, job.data.held_out_images, job.data.held_out_labels)
        loss, accuracy = evaluate(inference(cut), held_out)
        if not math.isfinite(loss):
            loss, accuracy, failure = None, None, "the loss on held-out images is not finite"
    return ProposalResult(kept, accuracy, loss, failure, cpu_class(), tuple(cut.get_weights()))


def recalibrate(network: keras.Model, batches: Iterable[NDArray[Any]]) -> None:
    """Give every batch norm of ``network``, in place, the mean and variance that it finds in ``batches``, averaged.

    After surgery their averages are those of the network before, and a few steps of training change little. A proposal
    judged by them looks far worse than it is (float ResNet-8 on CIFAR-10, half of the second stage's channels cut,
    after ten steps: 37 % of the held-out images right, 60 % with averages of its own), and how much so differs from
    layer to layer. So proposals are compared with averages taken anew, as in Li et al., "EagleEye: Fast Sub-net
    Evaluation for Efficient Neural Network Pruning", ECCV 2020 (adaptive batch normalization).

    A batch is [N, H, W, C], as the network takes it. Frozen batch norms keep what they have.
    """
    norms = [layer for layer in network.submodules if isinstance(layer, keras.layers.BatchNormalization)]
    if not norms:
        return
    momenta = [layer.momentum for layer in norms]
    try:
        for number, images in enumerate(batches):
            for layer in norms:
                layer.momentum = number / (number + 1)  # each batch counts as much as every one before
            network(images, training=True)
    finally:
        for layer, momentum in zip(norms, momenta, strict=True):
            layer.momentum = momentum


def _scores(network: keras.Model, group: Group, training: Split, settings: Settings, seed: int) -> NDArray[np.float64]:
    """How much each channel of ``group`` matters."""
    name = settings.importance
    function = importance.IMPORTANCES[name] if isinstance(name, str) else name
    chosen = np.random.default_rng([seed, _SAMPLES]).permutation(len(training))[: settings.importance_images]
    looked_at = training.take(np.sort(chosen))
    scores: NDArray[np.float64] = function(
        network, group, (preprocess(looked_at.images, _size(network)), looked_at.labels), seed
    )
    return scores


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


def _at_once(
    network: keras.Model, group: Group, scores: NDArray[np.float64], training: Split, job: Job
) -> tuple[keras.Model, str | None]:
    """Cut, then fine-tune: the network that came out, and why the training failed, or None."""
    cut = surgery.cut(network, {group.name: importance.keep(scores, job.width)})
    return cut, _fine_tune(cut, training, job.settings, job.seed)


def _gradually(
    network: keras.Model, group: Group, scores: NDArray[np.float64], training: Split, job: Job
) -> tuple[keras.Model, str | None]:
    """:func:`_at_once`, but channels go while the network is fine-tuned, the least important first; cut at the end."""
    from edgebnn.pruning.channels import masks  # only here: TF-MOT takes most of a second to import

    going = group.channels - job.width
    masked = masks.masked(network, {group.name: importance.keep(scores, job.width)})

    def switch_off(step: int) -> None:
        off = masks.channels_off(step, job.settings.steps, going, group.channels)
        masked.switch_off({group.name: importance.keep(scores, group.channels - off)})

    failure = _fine_tune(masked.model, training, job.settings, job.seed, before_step=switch_off)
    masked.unmask()
    return surgery.cut(network, {group.name: importance.keep(scores, job.width)}), failure


_REMOVALS: Mapping[str, Callable[..., tuple[keras.Model, str | None]]] = MappingProxyType(
    {"cut": _at_once, "gradual": _gradually}
)
"""By the names in :data:`.settings.REMOVALS`."""


def _fine_tune(
    network: keras.Model,
    training: Split,
    settings: Settings,
    seed: int,
    before_step: Callable[[int], None] = lambda step: None,
) -> str | None:
    """Train ``network`` in place for a short term; why that failed, or None. Steps count from 0 in ``before_step``."""
    recipe = Recipe(
        epochs=1,
        batch=settings.batch,
        learning_rate=settings.learning_rate,
        schedule="constant",
        optimizer=settings.optimizer,
        weight_decay=settings.weight_decay,
    )
    step = compile_step(network, make_optimizer(network, recipe))
    for number, (images, labels) in enumerate(_batches(network, training, settings, settings.steps, seed)):
        before_step(number)
        loss, _ = step(images, labels)
        if not math.isfinite(loss.numpy().item()):
            return f"the loss is not finite after step {number + 1}"
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
