"""What one inference takes on a target: of layers by their shapes, each as a model of its own, and of whole networks.

That is milliseconds, or where a target tells no times, what it tells: instructions or cycles.

On a machine that others use too, disturbances only ever add time, and they come in bursts. So a model is profiled in
short rounds, in turn with the others, and each of its ops counts with its least time over all rounds; rounds end when
the sum has not fallen for a while. On a busy two-core x86-64 machine two measurements of binary convolutions of 50 to
150 microseconds differed by 0.1 to 0.4 % so (median), where medians over the same rounds differed by up to 1.3 %. What
streams more than the caches hold, such as a float 7x7 convolution of an image of 224x224, takes up to twice as long
while others use the memory, and no statistic mends that. Targets that simulate are exact, and asked once.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from edgebnn.pruning.channels.layers import LayerShape
from edgebnn.runtime.profile import Profile, is_counted
from edgebnn.targets.boards_together import BoardsTogether
from edgebnn.targets.interface import Target
from edgebnn.targets.model_file import ModelFile, open_model
from edgebnn.targets.noise import Sample, noise

from .layer_graph import layer_graph

ROUND = 2
"""Runs of a model in a round, after two that warm it up."""
SETTLED_ROUNDS = 6
SETTLED = 0.005
"""A model is done when neither so many rounds nor so many seconds lowered its time by more than this share."""
LAYER_SECONDS = 0.3
LAYER_RUNS = 300
"""A layer settles for as long as so many of its runs take, within :data:`LAYER_SECONDS` and :data:`WHOLE_SECONDS`."""
WHOLE_SECONDS = 4.0
MOST_SECONDS = 30.0
BATCH_BYTES = 256 * 2**20
"""The weights of models measured in turn, whose files are in memory together; each is opened for its rounds alone."""


@dataclass
class _Least:
    """The least time of each op so far, and since when their sum has not fallen."""

    model: ModelFile
    sample: Sample
    ops: dict[int, float] = field(default_factory=dict)
    total: float = math.inf
    lowered_to: float = math.inf
    rounds: int = 0
    since: float = 0.0

    def add(self, profile: Profile) -> None:
        for op in profile.ops:
            if op.members:  # not the interpreter's own time, which comes once for a whole network
                self.ops[op.index] = min(op.value, self.ops.get(op.index, op.value))
        self.total = sum(self.ops.values())
        self.rounds += 1
        if self.total < self.lowered_to * (1 - SETTLED):
            self.lowered_to, self.rounds, self.since = self.total, 0, time.monotonic()

    def settled(self, seconds: float) -> bool:
        seconds = max(seconds, min(LAYER_RUNS * self.total / 1000, WHOLE_SECONDS))
        return self.rounds >= SETTLED_ROUNDS and time.monotonic() - self.since >= seconds


def measure_models(
    target: Target, models: Sequence[ModelFile], *, threads: int = 1, seconds: float = WHOLE_SECONDS
) -> tuple[float, ...]:
    """What one inference of each of several models takes, measured in turn.

    Args:
        target: where they run.
        models: the files.
        threads: of every op.
        seconds: how long the times must not have fallen to count as settled, at least.

    Returns:
        For each model its cost in the target's unit.

    Raises:
        EdgebnnError: a model cannot run there.
    """
    found = [_Least(model, next(noise(model, 1))) for model in models]
    waiting, begun = found, time.monotonic()
    while waiting:
        for least in waiting:
            profile = target.measure(least.model, least.sample, threads=threads, repeats=ROUND)
            least.add(profile)
        if is_counted(profile.kind, profile.unit) or time.monotonic() - begun > MOST_SECONDS:
            break  # what is counted is the same in every round
        waiting = [least for least in waiting if not least.settled(seconds)]
    return tuple(least.total for least in found)


def kind_and_unit(target: Target, model: ModelFile) -> tuple[str, str]:
    """What :func:`measure_models` gives.

    Args:
        target: where it runs.
        model: what runs.

    Returns:
        ("measured", "ms"), ("simulated", "instructions") and so on.

    Raises:
        EdgebnnError: the model cannot run there.
    """
    profile = target.measure(model, next(noise(model, 1)), repeats=ROUND)
    return profile.kind, profile.unit


def measure_layers(
    target: Target, layers: Sequence[LayerShape], *, packed_output: bool = False, threads: int = 1
) -> tuple[float, ...]:
    """What each of several layers takes; layers of equal shape are measured once.

    Args:
        target: where they run.
        layers: their shapes.
        packed_output: as :func:`.layer_graph.layer_graph` takes it.
        threads: of every op.

    Returns:
        For each layer its cost in the target's unit.

    Raises:
        EdgebnnError: as :func:`measure_models` does.
    """
    shapes = [replace(layer, name="") for layer in layers]
    times: dict[LayerShape, float] = {}
    for part in measure_parts(target, shapes, packed_output=packed_output, threads=threads):
        times.update(part)
    return tuple(times[shape] for shape in shapes)


def measure_parts(
    target: Target, shapes: Sequence[LayerShape], *, packed_output: bool = False, threads: int = 1
) -> Iterator[dict[LayerShape, float]]:
    """:func:`measure_layers` for whoever keeps what is known so far: a target may be lost before it has measured all.

    Args:
        target: where they run.
        shapes: layers without names.
        packed_output: as :func:`.layer_graph.layer_graph` takes it.
        threads: of every op.

    Yields:
        What some of the layers cost, as soon as that is known: those that were measured in turn, or a board's share.

    Raises:
        EdgebnnError: as :func:`measure_models` does.
    """
    several = list(dict.fromkeys(shapes))
    if isinstance(target, BoardsTogether):
        yield from target.share(
            several, lambda board, part: measure_layers(board, part, packed_output=packed_output, threads=threads)
        )
        return
    for batch in _batches(several):
        models = [open_model(layer_graph(shape, packed_output=packed_output)) for shape in batch]
        times = measure_models(target, models, threads=threads, seconds=LAYER_SECONDS)
        yield dict(zip(batch, times, strict=True))


def _batches(shapes: Sequence[LayerShape]) -> Iterator[list[LayerShape]]:
    """Parts of ``shapes`` whose models fit in memory together."""
    batch: list[LayerShape] = []
    used = 0
    for shape in shapes:
        size = shape.weights * (4 if shape.precision == "float" else 1)
        if batch and used + size > BATCH_BYTES:
            yield batch
            batch, used = [], 0
        batch.append(shape)
        used += size
    if batch:
        yield batch
