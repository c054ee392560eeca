"""What a pruning is asked to do, what its parts share while it is under way, and what it then reports.

The history as JSON is what ``edgebnn prune --json`` prints and the run's folder holds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from edgebnn._tensorflow import keras, tf
from edgebnn.models import saving
from edgebnn.pruning.channels.coupling import Plan
from edgebnn.pruning.latency.table import Device
from edgebnn.pruning.progress import ProgressCallback
from edgebnn.pruning.search.algorithm import Problem
from edgebnn.pruning.search.budget import Budget
from edgebnn.pruning.search.history import Iteration, Result
from edgebnn.pruning.search.resources import Costs
from edgebnn.pruning.search.run_folder import RunFolder, State
from edgebnn.pruning.settings import Settings
from edgebnn.training import checkpoints
from edgebnn.training.splits import Dataset, Split
from edgebnn.user_modules import Code


@dataclass(frozen=True)
class Task:
    """A network to be cut down.

    Attributes:
        model: [N, H, W, C] -> [N, classes] logits, trained; it stays as it is.
        dataset: its data; a part of the training images judges proposals, the test images only what came out.
        budget: the resource that decides, and its bound.
        settings: how to search.
        imports: modules of the user's that the network needs beside those that define its layers, initializers,
            quantizers and the like; all are imported where proposals are trained, and remembered in the run's folder.
        machine: whose energy it is, and a digest of what is taken for it; empty for other budgets.
    """

    model: keras.Model
    dataset: Dataset
    budget: Budget
    settings: Settings
    imports: tuple[str, ...] = ()
    machine: str = ""

    def code(self, remembered: Sequence[str] = ()) -> Code:
        """What it takes to load the network; ``remembered``: by the run's folder. Raises as :func:`.saving.code`."""
        return saving.code(self.model, [*self.imports, *remembered])

    def identity(self, device: Device | None) -> dict[str, dict[str, object]]:
        """What must be the same for a folder to be gone on with: not how far the search may go, nor the training after.

        ``device``: what the latency table holds for, if latency decides.
        """
        digest = hashlib.sha256()
        for weight in self.model.get_weights():
            digest.update(np.ascontiguousarray(weight).tobytes())
        settings = self.settings.as_json()
        return {
            "model": {**checkpoints.describe_model(self.model), "weights": digest.hexdigest()[:16]},
            "data": {**checkpoints.describe_data(self.dataset)},
            "budget": asdict(self.budget),
            "settings": {name: value for name, value in settings.items() if name not in ("iterations", "long_term")},
            "table": {} if device is None else asdict(device),
            **({"machine": {"name": self.machine}} if self.machine else {}),
        }


@dataclass(frozen=True)
class CheckedTask:
    """A task with which nothing was found wrong, and what was made of it to see that.

    Attributes:
        task: what is asked for.
        plan: which channels of the network go together.
        splits: the training images that proposals are trained on, and those held out.
    """

    task: Task
    plan: Plan
    splits: tuple[Split, Split]


@dataclass(frozen=True)
class Search:
    """A task under way.

    Attributes:
        task: what is asked for.
        folder: where all of it is kept.
        problem: the task in the terms of the algorithm.
        costs: what decides, as far as a target knows it; its table is the one in the folder.
        code: what it takes to load the networks.
        progress: told about every finished proposal, iteration and training step.
    """

    task: Task
    folder: RunFolder
    problem: Problem
    costs: Costs
    code: Code
    progress: ProgressCallback

    @property
    def settings(self) -> Settings:
        return self.task.settings


def describe(search: Search, state: State) -> dict[str, Any]:
    """The history as far as it is known; nothing in it depends on when, where or how fast proposals were trained."""
    problem, budget, table = search.problem, search.task.budget, search.costs.table
    last = state.iterations[-1] if state.iterations else None
    predicted = last.predicted if last else problem.initial
    return {
        "resource": budget.resource,
        "unit": problem.resource.unit,
        "kind": search.costs.kind if table is None else table.device.kind,
        "hardware": search.costs.hardware,
        "initial": problem.initial,
        "initial_measured": state.initial_measured,
        "initial_widths": dict(problem.widths),
        "budget": problem.goal,
        "final": {"predicted": predicted, "measured": last.measured if last else state.initial_measured},
        "met": predicted <= problem.goal,
        "accuracy": asdict(state.accuracy),
        "held_out_accuracy": state.held_out_accuracy,
        "cpu_class": "; ".join(state.cpu_classes),
        "tensorflow": tf.__version__,
        "settings": search.settings.as_json(),
        "table": None if table is None else table.describe(),
        "iterations": [_iteration(iteration) for iteration in state.iterations],
    }


def _iteration(iteration: Iteration) -> dict[str, Any]:
    fields = asdict(iteration)
    proposals = [
        {name: value for name, value in proposal.items() if name not in ("kept", "model")}
        for proposal in fields["proposals"]
    ]
    return {**fields, "proposals": proposals}


def result(search: Search, state: State, network: keras.Model) -> Result:
    """The outcome: ``network`` is what is in the folder."""
    history: Mapping[str, Any] = describe(search, state)
    return Result(
        model=network,
        model_path=search.folder.model,
        history_path=search.folder.history,
        accuracy=state.accuracy,
        iterations=state.iterations,
        initial=search.problem.initial,
        budget=search.problem.goal,
        predicted=history["final"]["predicted"],
        measured=history["final"]["measured"],
        met=history["met"],
        history=history,
    )
