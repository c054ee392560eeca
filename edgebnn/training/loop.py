"""The training loop: seeded, resumable at every checkpoint with the results of an uninterrupted run, silent.

A run is a row of segments, each an epoch or ``checkpoint_steps`` steps of one, and each ends with a checkpoint. All
that is random in a segment follows from the recipe's seed and the segment's place, so nothing else needs to be stored.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edgebnn import machine
from edgebnn._tensorflow import keras, tf
from edgebnn.errors import EdgebnnError, InputError
from edgebnn.files import atomic_path
from edgebnn.graph.kept_metadata import keep
from edgebnn.preprocessing import preprocess
from edgebnn.training import checkpoints
from edgebnn.training.augment import AUGMENTATIONS
from edgebnn.training.checkpoints import State
from edgebnn.training.compute import check_compute, computing_in
from edgebnn.training.described import described
from edgebnn.training.evaluation import Inference, evaluate, inference
from edgebnn.training.history import EpochMetrics, History, Progress, ProgressCallback, write_metrics
from edgebnn.training.method import PLAIN, Loss, Method, cross_entropy, make_optimizer
from edgebnn.training.recipe import Recipe, learning_rate
from edgebnn.training.splits import Dataset, Split

Step: TypeAlias = Callable[[Any, Any], tuple[Any, Any]]

_ORDER, _AUGMENT, _TENSORFLOW, _SUBSET = range(4)  # streams of random numbers drawn from one seed


class TrainingError(EdgebnnError):
    """A training went astray; its last good checkpoint is kept."""


@dataclass(frozen=True)
class _Run:
    """What stays the same throughout one call of :func:`train`."""

    model: keras.Model
    predict: Inference
    optimizer: Any
    recipe: Recipe
    training: Split
    validation: Split
    test: Split
    run_dir: Path
    progress: ProgressCallback
    method: Method

    @property
    def batch(self) -> int:
        return min(self.recipe.batch, len(self.training))

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return len(self.training) // self.batch

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) that the model wants; images of another size are resized."""
        _, height, width, _ = self.model.input_shape
        return height, width

    @property
    def variables(self) -> list[Any]:
        """All that a checkpoint holds."""
        return [*self.model.weights, *self.optimizer.variables]

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from the start of the run."""
        recipe = self.recipe
        warmup = round(recipe.warmup_epochs * self.steps)
        return learning_rate(recipe.learning_rate, recipe.schedule, step, recipe.epochs * self.steps, warmup)


def train(
    model: keras.Model,
    dataset: Dataset,
    recipe: Recipe,
    run_dir: Path,
    progress: ProgressCallback | None = None,
    method: Method = PLAIN,
) -> History:
    """Train a model in place, or go on where a folder was left.

    Called again with the same model, data, recipe, method and folder after an interruption, it continues from the last
    checkpoint and, where TensorFlow itself is deterministic, ends with the same weights; called once more after the
    end, it only loads them.

    Args:
        model: [N, H, W, C] -> [N, classes] logits.
        dataset: of images and classes that fit it.
        recipe: how.
        run_dir: the folder, which then holds ``model.keras`` and ``metrics.jsonl``.
        progress: told after each step.
        method: the loss, and what else is done; plain cross-entropy by default.

    Returns:
        The epochs, and where the model is.

    Raises:
        InputError: if model and data do not fit, the processor lacks what the recipe computes in, or the folder holds
            another training or cannot be written.
        TrainingError: if the loss or a weight is no longer finite; the last good checkpoint is kept.
    """
    check_fit(model, dataset)
    check_compute(recipe.compute)
    training, validation = dataset.hold_out(recipe.hold_out, recipe.seed)
    if recipe.train_images is not None:
        training = training.take(_rng(recipe, _SUBSET, 0).permutation(len(training))[: recipe.train_images])
    checkpoints.claim(run_dir, model, dataset, recipe, method.identity)
    run = _Run(
        model=model,
        predict=inference(model),
        optimizer=make_optimizer(model, recipe),
        recipe=recipe,
        training=training,
        validation=validation,
        test=dataset.test,
        run_dir=run_dir,
        progress=progress or (lambda event: None),
        method=method,
    )
    state = checkpoints.restore(run_dir, run.variables)
    resumed_from = len(state.finished) * run.steps + state.step
    steps: Iterator[Step] = _compiled_steps(run)
    while len(state.finished) < recipe.epochs:
        with computing_in(recipe.compute):
            state = _segment(run, state, next(steps))
        if state.step == run.steps:
            state = _finish_epoch(run, state)
        checkpoints.save(run_dir, run.variables, state)
        if state.step == 0:
            write_metrics(run_dir / checkpoints.METRICS, state.finished)
    write_metrics(run_dir / checkpoints.METRICS, state.finished)
    with atomic_path(run_dir / checkpoints.MODEL) as temporary:
        method.result(model).save(temporary)
    history = History(state.finished, run_dir / checkpoints.MODEL, resumed_from)
    keep(history.model_path, described(dataset, history.test_accuracy))
    return history


def check_fit(model: keras.Model, dataset: Dataset) -> None:
    """Whether a model can be trained on a data set.

    Args:
        model: a Keras model.
        dataset: the data set.

    Raises:
        InputError: the model cannot take the images or tell the classes.
    """
    channels, classes = dataset.input_shape[2], len(dataset.classes)
    if not model.inputs:
        raise InputError(
            f"{model.name} says neither what it takes nor what it gives: build it with the functional API, or give a "
            "Sequential model an Input layer"
        )
    if len(model.inputs) != 1 or len(model.outputs or ()) != 1:
        raise InputError(
            f"{model.name} has {len(model.inputs)} inputs and {len(model.outputs or ())} outputs: training takes "
            "models of one input, images, and one output, a score for each class"
        )
    if len(model.input_shape) != 4 or model.input_shape[3] != channels:
        raise InputError(
            f"{model.name} takes {model.input_shape[1:]}, but images of {dataset.name} have {channels} channels"
        )
    if model.input_shape[0] is not None:
        raise InputError(
            f"{model.name} takes just {model.input_shape[0]} images at a time: build it without batch_size to train it"
        )
    if model.output_shape != (None, classes):
        raise InputError(f"{model.name} gives {model.output_shape[1:]}, but {dataset.name} has {classes} classes")


def _compiled_steps(run: _Run) -> Iterator[Step]:
    """A training step for each segment.

    One for all, except where layers draw random numbers: TensorFlow keeps the position in that stream inside the
    compiled function, so the segment gets a new one, under a seed of its own (set by :func:`_segment`).
    """
    random = any(isinstance(layer, keras.__internal__.layers.BaseRandomLayer) for layer in run.model._flatten_layers())
    step = compile_step(run.model, run.optimizer, run.method.loss)
    while True:
        yield step
        if random:
            step = compile_step(run.model, run.optimizer, run.method.loss)


def compile_step(model: keras.Model, optimizer: Any, loss_of: Loss = cross_entropy) -> Step:
    """One step of training.

    Args:
        model: [N, H, W, C] -> [N, classes] logits.
        optimizer: of Keras.
        loss_of: (images, labels, logits) -> the loss; the model's own losses are added.

    Returns:
        A compiled function from images and labels of a batch to its loss and the number of right answers.
    """

    def step(images: Any, labels: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            logits = model(images, training=True)
            loss = tf.add_n([loss_of(images, labels, logits), *model.losses])
        variables = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        correct = tf.math.count_nonzero(tf.equal(tf.argmax(logits, -1, tf.int32), labels))
        return loss, correct

    compiled: Step = tf.function(step, autograph=False)  # see evaluation.inference
    return compiled


def _segment(run: _Run, state: State, step: Step) -> State:
    """Train to the end of the epoch, or to the next checkpoint within it."""
    recipe, epoch = run.recipe, len(state.finished)
    end = min(run.steps, state.step + (recipe.checkpoint_steps or run.steps))
    first = epoch * run.steps
    order = _rng(recipe, _ORDER, epoch).permutation(len(run.training))
    tf.random.set_seed(int(_rng(recipe, _TENSORFLOW, first + state.step).integers(2**31)))
    loss_sum, correct, started = state.loss_sum, state.correct, time.perf_counter()
    for index in range(state.step, end):
        rate = run.rate(first + index)
        run.optimizer.learning_rate.assign(rate)
        run.method.before_step((first + index) / (recipe.epochs * run.steps))
        images, labels = _batch(run, order, index, epoch)
        loss, right = (result.numpy().item() for result in step(images, labels))
        if not math.isfinite(loss):
            raise _diverged(run, "the loss", epoch, index)
        loss_sum, correct = loss_sum + loss, correct + right
        seen = index + 1
        run.progress(
            Progress(epoch + 1, recipe.epochs, seen, run.steps, loss_sum / seen, correct / (seen * run.batch), rate)
        )
    if not all(np.isfinite(weight.numpy()).all() for weight in run.model.weights):
        raise _diverged(run, "a weight", epoch, end - 1)
    seconds = state.seconds + time.perf_counter() - started
    return replace(state, step=end, loss_sum=loss_sum, correct=correct, seconds=seconds)


def _rng(recipe: Recipe, stream: int, index: int) -> np.random.Generator:
    return np.random.default_rng([recipe.seed, stream, index])


def _batch(
    run: _Run, order: NDArray[np.int64], index: int, epoch: int
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    chosen = run.training.take(order[index * run.batch : (index + 1) * run.batch])
    rng = _rng(run.recipe, _AUGMENT, epoch * run.steps + index)
    images = AUGMENTATIONS[run.recipe.augmentation](chosen.images, rng)
    return preprocess(images, run.size), chosen.labels


def _diverged(run: _Run, what: str, epoch: int, step: int) -> TrainingError:
    kept = run.run_dir / checkpoints.CHECKPOINT
    return TrainingError(
        f"{run.model.name}: {what} is not finite after step {step + 1} of epoch {epoch + 1}; lower the learning rate"
        + (f" (the last good state is in {kept})" if kept.exists() else "")
    )


def _finish_epoch(run: _Run, state: State) -> State:
    started, epoch = time.perf_counter(), len(state.finished)
    run.method.before_step((epoch + 1) / run.recipe.epochs)
    validation_loss, validation_accuracy = (
        evaluate(run.predict, run.validation) if len(run.validation) else (None, None)
    )
    last = epoch + 1 == run.recipe.epochs
    test_loss, test_accuracy = evaluate(run.predict, run.test) if last else (None, None)
    metrics = EpochMetrics(
        epoch=epoch + 1,
        loss=state.loss_sum / run.steps,
        accuracy=state.correct / (run.steps * run.batch),
        validation_loss=validation_loss,
        validation_accuracy=validation_accuracy,
        test_loss=test_loss,
        test_accuracy=test_accuracy,
        learning_rate=float(run.optimizer.learning_rate.numpy()),
        seconds=state.seconds + time.perf_counter() - started,
        device=machine.describe(),
    )
    run.progress(
        Progress(
            epoch + 1,
            run.recipe.epochs,
            run.steps,
            run.steps,
            metrics.loss,
            metrics.accuracy,
            metrics.learning_rate,
            finished=metrics,
        )
    )
    return State(finished=(*state.finished, metrics))
