"""A proposal as a job: small, since what it works on lies in a :mod:`.store` and is named by its content."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgebnn.pruning.settings import Settings
from edgebnn.user_modules import Code


@dataclass(frozen=True)
class Data:
    """Names in the store of what proposals are trained and judged on; images uint8 [N, H, W, C], labels int32 [N]."""

    train_images: str
    train_labels: str
    held_out_images: str
    held_out_labels: str

    @property
    def names(self) -> tuple[str, ...]:
        return self.train_images, self.train_labels, self.held_out_images, self.held_out_labels


@dataclass(frozen=True)
class Job:
    """What a proposal needs.

    Attributes:
        store: the folder of the files that are named here, where the job runs.
        network: the current network in the store, a Keras model.
        data: what it is trained and judged on.
        group: the group of channels to cut, as an index into the groups of :func:`.coupling.couple`.
        channels: how many the network has there now.
        width: how many are to stay.
        settings: of the short-term fine-tuning.
        seed: of everything random.
        code: what it takes to load the network.
    """

    store: Path
    network: str
    data: Data
    group: int
    channels: int
    width: int
    settings: Settings
    seed: int
    code: Code = field(default_factory=Code)

    @property
    def files(self) -> tuple[str, ...]:
        """Everything in the store that the job needs."""
        return self.network, *self.data.names


@dataclass(frozen=True)
class Loading:
    """A network to be loaded where proposals are trained, to see whether it can be; fields as in :class:`Job`."""

    store: Path
    network: str
    code: Code

    @property
    def files(self) -> tuple[str, ...]:
        return (self.network,)


@dataclass(frozen=True)
class ProposalResult:
    """What became of a job: hold-out accuracy and loss, or why it failed.

    ``kept`` are the channels that stayed, ``weights`` those of the network cut so, after its fine-tuning, in the order
    of Keras' ``get_weights``.
    """

    kept: tuple[int, ...]
    accuracy: float | None
    loss: float | None
    failure: str | None
    cpu_class: str
    weights: tuple[NDArray[Any], ...] = field(repr=False)


def failed(cause: str, cpu_class: str = "") -> ProposalResult:
    """The result of a job that came to nothing, for ``cause``, one line."""
    return ProposalResult((), None, None, cause, cpu_class, ())


GROWTH = 2
"""How many times the memory of its first job a training process may come to take."""
