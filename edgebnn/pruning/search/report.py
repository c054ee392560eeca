"""The history of a pruning as JSON: what ``edgebnn prune --json`` prints and ``history.json`` holds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgebnn._tensorflow import keras, tf
from edgebnn.files import write_text
from edgebnn.pruning.latency.table import LatencyTable
from edgebnn.pruning.search import run_state
from edgebnn.pruning.search.algorithm import Problem
from edgebnn.pruning.search.budget import Budget
from edgebnn.pruning.search.history import Iteration, Result
from edgebnn.pruning.search.run_state import State
from edgebnn.pruning.settings import Settings


def describe(
    state: State, budget: Budget, problem: Problem, settings: Settings, table: LatencyTable | None
) -> dict[str, Any]:
    """Everything that is known so far; nothing in it depends on when, where or how fast proposals were trained."""
    last = state.iterations[-1] if state.iterations else None
    predicted = last.predicted if last else problem.initial
    return {
        "resource": budget.resource,
        "unit": budget.unit,
        "kind": "counted" if table is None else table.device.kind,
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
        "settings": settings.as_json(),
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


def write(run_dir: Path, history: Mapping[str, Any]) -> None:
    write_text(run_dir / run_state.HISTORY, json.dumps(history, indent=1))


def result(run_dir: Path, model: keras.Model, history: Mapping[str, Any], state: State, problem: Problem) -> Result:
    return Result(
        model=model,
        model_path=run_dir / run_state.MODEL,
        history_path=run_dir / run_state.HISTORY,
        accuracy=state.accuracy,
        iterations=state.iterations,
        initial=problem.initial,
        budget=problem.goal,
        predicted=history["final"]["predicted"],
        measured=history["final"]["measured"],
        met=history["met"],
        history=history,
    )
