"""A pruning on disk: one small file says how far it is, and names the networks in a store beside it.

A run folder holds ``run.json`` (what is pruned how, on what), ``state.json`` (replaced as a whole after every finished
proposal), ``store/`` (networks, data, results), ``latency_table.json`` if latency decides, ``history.json``, and at the
end ``model.keras``, and ``long_term_N/``, the run folder of the training after N iterations.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edgebnn.errors import InputError
from edgebnn.files import write_text
from edgebnn.pruning import store
from edgebnn.pruning.search.history import Accuracy, Iteration, Outcome
from edgebnn.pruning.workers.job import Data

STATE, HISTORY, MODEL, TABLE, STORE = "state.json", "history.json", "model.keras", "latency_table.json", "store"
OWN = (STATE, HISTORY, MODEL, TABLE, STORE)


@dataclass(frozen=True)
class State:
    """How far a pruning is.

    Attributes:
        original, network: the networks before the search and after the last finished iteration, in the store.
        data: the images of proposals.
        accuracy: on the test images, as far as it is known; after the search that of ``judged`` iterations.
        held_out_accuracy: of the original network on the held-out images.
        initial_measured: the original network's latency, measured as a whole; None unless that is asked for.
        kept: by group the original network's channels that are left; groups that were never cut are not named.
        iterations: the finished ones.
        pending: finished proposals of the iteration under way.
    """

    original: str
    network: str
    data: Data
    accuracy: Accuracy
    held_out_accuracy: float
    judged: int | None = None
    initial_measured: float | None = None
    kept: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    iterations: tuple[Iteration, ...] = ()
    pending: tuple[Outcome, ...] = ()

    @property
    def files(self) -> set[str]:
        """What must stay in the store."""
        results = {outcome.model for outcome in self.pending if outcome.model}
        return {self.original, self.network, *self.data.names, *results}

    @property
    def cpu_classes(self) -> list[str]:
        """Of the machines that trained proposals, in the order they came."""
        outcomes = [outcome for iteration in self.iterations for outcome in iteration.proposals]
        classes = (outcome.cpu_class for outcome in (*outcomes, *self.pending))
        return list(dict.fromkeys(name for name in classes if name))  # a lost worker's is not known


def save(run_dir: Path, state: State) -> None:
    """Replace the state, then forget what it no longer names. Raises :class:`InputError` where that is impossible."""
    write_text(run_dir / STATE, json.dumps(asdict(state)))
    store.keep_only(run_dir / STORE, state.files)


def load(run_dir: Path) -> State | None:
    """The state that was saved last, None if there is none. Raises :class:`InputError` if it is damaged."""
    path = run_dir / STATE
    if not path.exists():
        return None
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        state = State(
            **{
                **fields,
                "data": Data(**fields["data"]),
                "accuracy": Accuracy(**fields["accuracy"]),
                "kept": {name: tuple(channels) for name, channels in fields["kept"].items()},
                "iterations": tuple(map(_iteration, fields["iterations"])),
                "pending": tuple(map(_outcome, fields["pending"])),
            }
        )
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{path}: is damaged; delete the folder to start again") from None
    for name in state.files:
        store.checked(run_dir / STORE, name)
    return state


def _iteration(fields: Mapping[str, Any]) -> Iteration:
    return Iteration(**{**fields, "proposals": tuple(map(_outcome, fields["proposals"]))})


def _outcome(fields: Mapping[str, Any]) -> Outcome:
    return Outcome(**{**fields, "kept": tuple(fields["kept"])})
