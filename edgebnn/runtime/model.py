"""A loaded model as a function on NumPy arrays."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from edgebnn.errors import EdgebnnError, InputError
from edgebnn.files import read_bytes
from edgebnn.graph import batches, memory_bound, samples
from edgebnn.graph.metadata import Metadata
from edgebnn.graph.opdef import Axes
from edgebnn.graph.tflite import parse
from edgebnn.graph.types import Array, Shape, Tensor
from edgebnn.kernels.given_schedules import beside, given_schedule
from edgebnn.kernels.schedules import Schedule

from . import images as image_inputs
from .entries import Entry
from .exact import open_exact
from .followed import followed
from .forking import Turns
from .images import Prediction
from .interpreter import Interpreter
from .plugin import PackInt8
from .port import Port, with_pixels
from .profile import Profile
from .runner import Outputs, Runner, ShapeError, open_runner

MAX_BATCH = 32
"""Samples of one invoke, fewer where memory is short. More gains nothing and costs activation memory."""


class Model:
    """Call it with one array per input; it returns one array, or a tuple if the model has several outputs.

    Arrays have the samples in front, [N, ...], any number of them, whatever batch the file was made for. Each sample is
    computed as if it were alone, from the model's initial state: together with others where the graph keeps them
    apart, else one at a time. Outputs have the samples in front too; one number a sample gives [N]. An input that is no
    batch, such as a state [2, 1, 8] beside an image, is given in the file's own shape, for all samples, or stacked; if
    all arrays have the file's own shapes then, so have the outputs.

    Floats, and uint8 images (pixel values 0 to 255), are quantized where the model takes integers; an array of the
    model's own integer type is taken as it is. Quantized outputs are dequantized to float32.

    Calls from several threads take turns. In a forked process the model goes on; one with ``num_threads`` above 1, or
    that was running in another thread at that moment, is opened anew there at its first call.

    Attributes:
        name: what messages call the model.
        signature: the name of the signature that is run, None where the file names none.
        inputs, outputs: the names, shapes and dtypes of the arrays.
        arguments: the signature's names of the inputs; nothing where the file names none.
        inexact: of a model loaded with ``exact``, the ops for which LiteRT has no reference kernel.
        metadata: what the file says of the model in TFLite's format: the images that it takes, the names of its
            classes; None where it says nothing, or nothing that can be read.
    """

    def __init__(self, runner: Runner, independent: samples.Independent, name: str, threads: int = 1) -> None:
        self._turns = Turns(runner, threads)
        self._independent = independent
        self._threads = threads
        self.name = name
        self.signature = self._runner.entry.signature
        self.arguments = self._runner.entry.arguments[0]
        self.inexact = self._runner.interpreter.inexact
        source = self._runner.interpreter.source
        self.metadata: Metadata | None = source.metadata
        self._unread = source.unread
        self._working_bytes = source.working_bytes[self._runner.entry.subgraph]
        self.inputs: tuple[Port, ...] = with_pixels(
            self._runner.inputs, None if self.metadata is None else self.metadata.image
        )
        self.outputs: tuple[Port, ...] = self._runner.outputs

    def __call__(self, *images: Array, **named: Array) -> Array | tuple[Array, ...]:
        """Runs the model.

        Args:
            images: for each input, in the order of ``inputs``, an array [N, ...].
            named: the same by the names that the signature gives its inputs, in place of ``images``.

        Returns:
            For each output an array [N, ...]: one array, or a tuple of several.

        Raises:
            InputError: an array has a wrong shape, dtype or value.
        """
        call = self._call(images, named)
        with self._ready():
            return self._real(self._run(call))

    def classify(self, image: Any, top: int = 5) -> tuple[Prediction, ...]:
        """Which classes an image is of.

        Args:
            image: as :meth:`prepare` takes it.
            top: so many classes, at most.

        Returns:
            Labels with scores, best first. The scores are the model's outputs: probabilities if it ends in a softmax.

        Raises:
            InputError: the image cannot be read, or the file does not say what the model takes.
        """
        return next(iter(self.classify_all([image], top)))

    def classify_all(
        self, images: Iterable[Any], top: int = 5, run: Callable[[Array], Sequence[Array]] | None = None
    ) -> Iterable[tuple[Prediction, ...]]:
        """:meth:`classify` for many images, of which no more than a batch is held at a time.

        Args:
            images: each as :meth:`prepare` takes it.
            top: so many classes for each, at most.
            run: what makes of prepared images what the model makes of them, such as the same model on another device.

        Returns:
            For each image its labels with scores, best first.

        Raises:
            InputError: as :meth:`classify` does, or the model has several inputs.
        """
        if len(self.inputs) != 1:
            raise InputError(f"{self.name}: has {len(self.inputs)} inputs; only models of one image are classifiers")
        which = self.metadata.labelled_output if self.metadata is not None else 0
        labels = self.metadata.labels if self.metadata is not None else ()
        waiting = iter(images)
        while batch := [self.prepare(image) for image in itertools.islice(waiting, MAX_BATCH)]:
            given = self(np.concatenate(batch)) if run is None else tuple(run(np.concatenate(batch)))
            scores = np.asarray(given[which] if isinstance(given, tuple) else given)
            if scores.ndim < 2 or scores[0].size != scores.shape[-1] or (labels and len(labels) != scores.shape[-1]):
                classes = f"each of {len(labels)} classes" if labels else "classes"
                raise InputError(f"{self.name}: its output {list(scores.shape[1:])} is no score for {classes}")
            yield from (image_inputs.best(one.reshape(-1), labels, top) for one in scores)

    def prepare(self, *images: Any) -> Array:
        """Images as the model takes them: brought to its size, channel order and range.

        Args:
            images: each a file's path, an image of Pillow's, or an array [H, W] or [H, W, channels], RGB where there
                are three: uint8 pixels, or floats that are on the model's own scale already.

        Returns:
            Real numbers, float32 [N, H, W, C], to call the model with.

        Raises:
            InputError: an image cannot be read, or the file does not say what the model takes.
        """
        found = None if self.metadata is None else self.metadata.image
        if found is None:
            remedy = "record it: edgebnn convert MODEL --image-range LOW HIGH"
            raise InputError(self._unread or f"{self.name}: does not say what images it takes; {remedy}")
        image_inputs.check_format(self.inputs, found, self.name)
        port = self.inputs[found.input]
        return np.concatenate([image_inputs.prepared(image, port, found, self.name) for image in images])

    def stream(self) -> Stream:
        """The model with its state kept from sample to sample and from call to call, beginning with the initial one."""
        with self._ready():
            return Stream(self, self._runner.another(), self._threads)

    def profile(self, *images: Array, repeats: int = 30) -> Profile:
        """Where the time of one inference of ``images`` goes, as many samples as one invoke of the model takes.

        Args:
            images: for each input an array [N, ...].
            repeats: inferences timed.

        Returns:
            The times in milliseconds.

        Raises:
            InputError: an array has a wrong shape, dtype or value, or the model is a signature other than the first.
        """
        call = self._call(images)
        with self._ready():
            try:
                self._runner.run(call.parts(self._independent, self._most(call))[0][0].arrays)
            except ShapeError:
                self._runner.run(call.parts(_alone, MAX_BATCH)[0][0].arrays)
            return self._runner.profile(repeats)

    def invoke(self, values: Sequence[Array]) -> Outputs:
        """One run, from the initial state, on arrays as they are: whatever their axes mean, nothing is quantized.

        Args:
            values: for each input an array of its dtype, of a shape that the graph takes.

        Returns:
            The outputs, as the graph gives them.

        Raises:
            InputError: the graph does not work with these shapes.
        """
        with self._ready():
            return self._runner.run(values)

    @contextmanager
    def _ready(self) -> Iterator[None]:
        """A turn with an interpreter that works in this process."""
        with self._turns.take():
            if self._turns.stale:
                self._turns.renew(self._runner.another())
            yield

    def _most(self, call: samples.Call) -> int:
        """Samples of one invoke, at most; of a single one nobody asks what memory is free."""
        return memory_bound.together(self._working_bytes, min(call.samples, MAX_BATCH))

    @property
    def _runner(self) -> Runner:
        return self._turns.thing

    def _call(self, images: Sequence[Array], named: Mapping[str, Array] = MappingProxyType({})) -> samples.Call:
        if named:
            arguments = self._runner.entry.arguments[0]
            if images or set(named) != set(arguments):
                names = ", ".join(arguments) or "none, for the file has no signature"
                raise InputError(f"{self.name}: give all inputs in order, or all by name; their names are {names}")
            images = [named[argument] for argument in arguments]
        if len(images) != len(self.inputs):
            raise InputError(f"{self.name}: {len(self.inputs)} inputs expected, {len(images)} given")
        values = [port.quantized(image, self.name) for port, image in zip(self.inputs, images, strict=True)]
        return samples.call(self.name, self.inputs, values)

    def _run(self, call: samples.Call) -> tuple[Array, ...]:
        runs = self._runs(self._runner, keep=False)
        try:
            return call.run(self._independent, runs, self._most(call))
        except ShapeError:
            outputs = call.run(_alone, runs, MAX_BATCH)
            self._independent = _alone  # samples that may run together, on kernels that do not bear it
            return outputs

    def _runs(self, runner: Runner, keep: bool) -> Callable[[list[samples.Part]], list[Outputs]]:
        return lambda parts: [runner.run(part.arrays, keep=keep) for part in parts]

    def _real(self, outputs: Sequence[Array]) -> Array | tuple[Array, ...]:
        results = tuple(np.asarray(port.dequantized(value)) for port, value in zip(self.outputs, outputs, strict=True))
        return results[0] if len(results) == 1 else results


class Stream:
    """A model whose state goes on: each sample begins with what the one before left. Made by :meth:`Model.stream`."""

    def __init__(self, model: Model, runner: Runner, threads: int) -> None:
        self._model = model
        self._turns = Turns(runner, threads)

    def __call__(self, *images: Array, **named: Array) -> Array | tuple[Array, ...]:
        """Runs the samples one after the other.

        Args:
            images: for each input an array [N, ...], the samples in their order.
            named: the same by the names that the signature gives its inputs, in place of ``images``.

        Returns:
            For each output an array [N, ...]: one array, or a tuple of several.

        Raises:
            InputError: an array has a wrong shape, dtype or value, or other shapes than those the stream began with;
                or this is a forked process, in which the state cannot go on.
        """
        call = self._model._call(images, named)
        with self._turns.take():
            outputs = call.run(_alone, self._model._runs(self._going_on(), keep=True), MAX_BATCH)
        return self._model._real(outputs)

    def reset(self) -> None:
        """Begins anew from the initial state."""
        with self._turns.take():
            self._going_on().reset()

    def _going_on(self) -> Runner:
        if self._turns.stale:
            raise InputError(
                f"{self._model.name}: a stream that has threads or was running cannot go on in a forked process; begin "
                "another there: model.stream()"
            )
        return self._turns.thing


def _alone(shapes: tuple[Shape, ...], counted: tuple[bool, ...]) -> Axes | None:
    return None


class _Independence:
    """Whether samples may run together: asked of the graph, which is read from the file only then."""

    def __init__(self, source: str | bytes, entry: Entry, stamp: tuple[int, ...]) -> None:
        self._source = source
        self._entry = entry
        self._stamp = stamp
        self._answer: samples.Independent | None = None

    def __call__(self, shapes: tuple[Shape, ...], counted: tuple[bool, ...]) -> Axes | None:
        if self._answer is None:
            self._answer = self._read()
        return self._answer(shapes, counted)

    def _read(self) -> samples.Independent:
        """Of a file that the IR does not hold, or that has changed since it was loaded, nothing is known."""
        try:
            data = self._source if isinstance(self._source, bytes) else Path(self._source).read_bytes()
            graph = parse(data, "model")
        except (EdgebnnError, OSError):
            return _alone
        if _stamp(self._source) != self._stamp or self._entry.subgraph:
            return _alone
        tensors = tuple(_without_weights(tensor) for tensor in graph.tensors)
        return batches.independence(
            replace(graph, tensors=tensors, inputs=self._entry.inputs, outputs=self._entry.outputs)
        )


_ARGUMENT = 4096
"""Elements of a constant that may be a shape, an axis or the like, and no weights."""


def _without_weights(tensor: Tensor) -> Tensor:
    """Keeps nothing of the file in memory but what shapes depend on."""
    data = None if tensor.data is None or tensor.elements > _ARGUMENT else np.array(tensor.data)
    return replace(tensor, data=data)


def _stamp(source: str | bytes) -> tuple[int, ...]:
    if isinstance(source, bytes):
        return ()
    try:
        found = os.stat(source)
    except OSError:
        return ()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _schedule(source: str | bytes, named: Path | None) -> Schedule | None:
    """What is to be followed: what was named, or lies beside the file."""
    if isinstance(source, bytes) and named is None:
        return None
    if not isinstance(source, bytes) and named is None and not beside(Path(source)).is_file():
        return None
    content = source if isinstance(source, bytes) else read_bytes(source)
    name = "model_content" if isinstance(source, bytes) else source
    return followed(given_schedule(Path(name), content, named), content, name)


def load(
    source: str | Path | bytes,
    num_threads: int = 1,
    exact: bool = False,
    kernels: str | None = None,
    pack_int8: PackInt8 | None = None,
    signature: str | None = None,
    schedule: str | Path | None = None,
) -> Model:
    """Opens a .tflite file for inference: LiteRT with our delegate, no TensorFlow.

    Args:
        source: the file's path, or its content.
        num_threads: of every op.
        exact: run the ops that are not ours on LiteRT's reference kernels, which are bit-exact with the reference
            executor, and slow, in place of XNNPACK. The ops that have none, named by the model's ``inexact``, run on
            its other built-in kernels.
        kernels, pack_int8: those of :class:`Interpreter`.
        signature: which signature to run of a file that has several.
        schedule: a file of schedules that the kernels follow (``edgebnn plan --save-schedule``); by default
            ``MODEL.schedule.json`` beside ``MODEL.tflite``, if it is of this model and for this machine.

    Returns:
        The model.

    Raises:
        InputError: there is no such signature, or several and none is named; or the schedule is none of this model, or
            asks for what no kernel does. And what :class:`Interpreter` raises.
    """
    open_interpreter = open_exact if exact else Interpreter
    held = source if isinstance(source, bytes) else os.fspath(source)
    given: dict[str, Any] = {"model_content": held} if isinstance(held, bytes) else {"model_path": held}
    name = "model_content" if isinstance(held, bytes) else held

    found = _schedule(held, None if schedule is None else Path(schedule))

    def make() -> Interpreter:
        return open_interpreter(**given, num_threads=num_threads, kernels=kernels, pack_int8=pack_int8, schedule=found)

    stamp = _stamp(held)
    runner = open_runner(make, name, signature)
    independent = _alone if runner.state != "none" else _Independence(held, runner.entry, stamp)
    return Model(runner, independent, name, num_threads)
