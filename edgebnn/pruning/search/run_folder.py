"""The folder of a pruning: all that it keeps on disk, under which names, and when the folder is its own.

``run.json`` says what is pruned how, on what; ``state.json`` is replaced as a whole after every finished proposal, and
names what lies in ``store/``: networks, data, results. ``latency_table.json`` is there if latency decides, with
``latency_samples.json`` unless the user names another file for the layers measured. ``history.json`` grows with the
search; at the end come ``model.keras``, ``long_term_N/``, the run folder of the training after N iterations, and what
people read: ``history.txt``, ``widths.svg``, ``accuracy.svg`` and ``plan.txt``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgebnn._tensorflow import keras
from edgebnn.errors import InputError
from edgebnn.files import atomic_path, write_text
from edgebnn.models import saving
from edgebnn.pruning import store
from edgebnn.pruning.latency.table import Device, LatencyTable
from edgebnn.pruning.search.history import Accuracy, Iteration, Outcome
from edgebnn.pruning.workers.job import Data
from edgebnn.training import checkpoints
from edgebnn.training.splits import Split
from edgebnn.user_modules import Code

_STATE, _HISTORY, _MODEL, _TABLE, _STORE = "state.json", "history.json", "model.keras", "latency_table.json", "store"
_OWN = (_STATE, _HISTORY, _MODEL, _TABLE, _STORE)


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
        modules: of the user's, that have to be imported to load the networks.
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
    modules: tuple[str, ...] = ()

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


@dataclass(frozen=True)
class RunFolder:
    """What a pruning keeps at ``path``, which need not be there before :meth:`claim`.

    Whatever is written replaces what was there as a whole; where that is impossible, :class:`InputError` is raised.
    """

    path: Path

    @property
    def identity(self) -> Path:
        """The file that says whose folder this is, there once a pruning has claimed it."""
        return self.path / checkpoints.IDENTITY

    @property
    def store(self) -> Path:
        """The folder in which proposals find their network and data, see :mod:`edgebnn.pruning.store`."""
        return self.path / _STORE

    @property
    def model(self) -> Path:
        """The network that the search, and the training after it, came to."""
        return self.path / _MODEL

    @property
    def history(self) -> Path:
        return self.path / _HISTORY

    def check(self, identity: Mapping[str, Mapping[str, Any]]) -> None:
        """Find whether the folder is free for the pruning of ``identity``, or its own; nothing is written.

        Raises:
            InputError: if it holds another pruning, or files that this one would overwrite.
        """
        checkpoints.check_folder(self.path, "pruning", identity, _OWN)

    def claim(self, identity: Mapping[str, Mapping[str, Any]]) -> None:
        """Make the folder that of the pruning of ``identity``, or find that it is already.

        Raises:
            InputError: as :meth:`check`, or if the folder cannot be written.
        """
        checkpoints.claim_folder(self.path, "pruning", identity, _OWN)

    def load_state(self) -> State | None:
        """The state that was saved last, None if there is none. Raises :class:`InputError` if it is damaged."""
        path = self.path / _STATE
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
                    "modules": tuple(fields.get("modules", ())),
                }
            )
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise InputError(f"{path}: is damaged; delete the folder to start again") from None
        for name in state.files:
            store.checked(self.store, name)
        return state

    def modules(self) -> tuple[str, ...]:
        """Those of the user's that the networks here need, as far as is known. Raises as :meth:`load_state`."""
        state = self.load_state()
        return () if state is None else state.modules

    def save_state(self, state: State) -> None:
        """Replace the state, then forget what it no longer names."""
        write_text(self.path / _STATE, json.dumps(asdict(state)))
        store.keep_only(self.store, state.files)

    def put_data(self, training: Split, held_out: Split) -> Data:
        """Keep the images of proposals in the store."""
        self.store.mkdir(exist_ok=True)
        arrays = (training.images, training.labels, held_out.images, held_out.labels)
        return Data(*(store.put_array(self.store, array) for array in arrays))

    def put_network(self, network: keras.Model) -> str:
        """Keep a network in the store; its name there."""
        return store.put_file(self.store, ".keras", network.save)

    def load_network(self, name: str, code: Code) -> keras.Model:
        """A network of the store. Raises as :func:`.saving.load`."""
        return saving.load(self.store / name, code)

    def put_weights(self, weights: Sequence[NDArray[Any]]) -> str:
        """Keep a proposal's weights in the store; their name there."""
        return store.put_arrays(self.store, weights)

    def load_weights(self, name: str) -> list[NDArray[Any]]:
        """Weights of the store."""
        return store.arrays(self.store, name)

    def load_table(self, device: Device) -> LatencyTable | None:
        """The table that decisions here were taken by, None if there is none yet.

        Raises:
            InputError: if it is damaged, or another device's.
        """
        path = self.path / _TABLE
        return LatencyTable.load(path, device) if path.exists() else None

    def save_table(self, table: LatencyTable) -> None:
        table.save(self.path / _TABLE)

    def samples(self) -> Path:
        """Where layers measured for this pruning alone are kept. The folder is made."""
        self.path.mkdir(parents=True, exist_ok=True)
        return self.path / "latency_samples.json"

    def long_term(self, iterations: int) -> Path:
        """The run folder of the training after so many iterations."""
        return self.path / f"long_term_{iterations}"

    def save_model(self, network: keras.Model) -> None:
        with atomic_path(self.model) as temporary:
            network.save(temporary)

    def save_history(self, history: Mapping[str, Any]) -> None:
        """``history``: of :func:`.task.describe`."""
        write_text(self.history, json.dumps(history, indent=1))

    def save_plan(self, text: str) -> None:
        """Which channels go together."""
        write_text(self.path / "plan.txt", text)

    def save_report(self, table: str, widths: str, accuracy: str) -> None:
        """The iterations as text, and the charts of widths and accuracy as SVG."""
        for name, text in (("history.txt", table), ("widths.svg", widths), ("accuracy.svg", accuracy)):
            write_text(self.path / name, text)


def _iteration(fields: Mapping[str, Any]) -> Iteration:
    return Iteration(**{**fields, "proposals": tuple(map(_outcome, fields["proposals"]))})


def _outcome(fields: Mapping[str, Any]) -> Outcome:
    return Outcome(**{**fields, "kept": tuple(fields["kept"])})
