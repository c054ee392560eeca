"""What a pruning reports: each iteration with all its proposals, and the outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgebnn.pruning.channels.widths import Widths

if TYPE_CHECKING:
    from edgebnn._tensorflow import keras


@dataclass(frozen=True)
class Outcome:
    """One proposal after its short-term fine-tuning.

    Attributes:
        layer: the group of channels that it cuts, named after its first layer.
        width: the channels that stay there.
        predicted: the whole network's resource.
        accuracy, loss: on the held-out images, a share in [0, 1] and nats; None if the proposal failed.
        failure: one line saying why, such as a loss that is not finite; None if it did not.
        cpu_class: of the machine that trained it: results repeat exactly on one class.
        model: the trained network's name in the run's store.
        kept: the channels that stay, as indices into the network's before this iteration.
    """

    layer: str
    width: int
    predicted: float
    accuracy: float | None
    loss: float | None
    failure: str | None = None
    cpu_class: str = ""
    model: str = ""
    kept: tuple[int, ...] = ()


@dataclass(frozen=True)
class Iteration:
    """One accepted proposal: the widths that it led to, and the proposals that it was chosen from.

    ``target`` is what the iteration had to reach, ``predicted`` what it reached, both in the resource's unit;
    ``measured`` is the whole network measured again on the target, where there is one.
    """

    iteration: int
    layer: str
    widths: Widths
    target: float
    predicted: float
    accuracy: float
    proposals: tuple[Outcome, ...]
    measured: float | None = None


@dataclass(frozen=True)
class Accuracy:
    """Shares of right answers on the test images, of which the search saw nothing.

    ``trained`` is the network as it was given; ``pruned`` has lost the channels that the search chose and was not
    trained since; ``short_term`` comes out of the search, ``long_term`` out of the training after it.
    """

    trained: float
    pruned: float | None = None
    short_term: float | None = None
    long_term: float | None = None


@dataclass(frozen=True)
class Result:
    """The outcome of a pruning.

    ``history`` holds the fields of ``edgebnn prune --json`` (without the path that the user asked for), and is also in
    ``history_path``; ``met`` says whether the network is within the budget by the prediction that decided.
    """

    model: keras.Model
    model_path: Path
    history_path: Path
    accuracy: Accuracy
    iterations: tuple[Iteration, ...]
    initial: float
    budget: float
    predicted: float
    measured: float | None
    met: bool
    history: Mapping[str, Any] = field(repr=False)
