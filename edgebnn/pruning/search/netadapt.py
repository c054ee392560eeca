"""NetAdapt on a Keras model: from a trained network and a budget to a smaller network, resumable at any point.

:mod:`.search` has the rules, :mod:`.fine_tuning` the work of a proposal, :mod:`.run_state` what is on disk. A kill at
any moment costs the proposals under way; the run then continues to the identical result, since all that is random
follows from the settings' seed and the iteration's number, and no decision depends on what was timed during the run.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from edgebnn._tensorflow import keras
from edgebnn.errors import InputError, PruningError
from edgebnn.files import atomic_path
from edgebnn.pruning import store
from edgebnn.pruning.channels import surgery
from edgebnn.pruning.channels.coupling import couple
from edgebnn.pruning.channels.importance import IMPORTANCES
from edgebnn.pruning.latency.table import Device, LatencyTable
from edgebnn.pruning.search import algorithm, report, run_state
from edgebnn.pruning.search.algorithm import Problem
from edgebnn.pruning.search.budget import Budget
from edgebnn.pruning.search.history import Accuracy, Progress, ProgressCallback, Result
from edgebnn.pruning.search.resources import Cost, resource
from edgebnn.pruning.search.run_state import State
from edgebnn.pruning.search.session import Session
from edgebnn.pruning.settings import Settings
from edgebnn.pruning.workers.executors import local_pool, memory_needed
from edgebnn.pruning.workers.job import Data
from edgebnn.training import checkpoints
from edgebnn.training import history as training_history
from edgebnn.training.evaluation import evaluate, inference
from edgebnn.training.loop import check_fit, train
from edgebnn.training.recipe import Recipe
from edgebnn.training.splits import Dataset, Split

Describe: TypeAlias = Callable[[State], Mapping[str, Any]]
"""The history as JSON can hold it."""


def adapt(
    model: keras.Model,
    dataset: Dataset,
    budget: Budget,
    settings: Settings,
    run_dir: Path,
    *,
    cost: Cost | None = None,
    table: LatencyTable | None = None,
    measure_whole: Callable[[keras.Model], float] | None = None,
    executor: Executor | None = None,
    progress: ProgressCallback | None = None,
) -> Result:
    """Cut ``model`` ([N, H, W, C] -> [N, classes] logits, trained) down to ``budget``; ``model`` itself stays.

    Called again with the same arguments after an interruption, it goes on where it was; more ``iterations`` than before
    continue a search that ended at their limit.

    Args:
        model: the trained network.
        dataset: its data; a part of the training images judges proposals, the test images only what came out.
        budget: the resource that decides, and its bound.
        settings: how to search.
        run_dir: the folder of this pruning, see :mod:`.run_state`.
        cost: what the network takes with other widths, for resources that only a target knows (flash, ram, energy).
        table: how long layers take, for latency.
        measure_whole: what a whole model takes of the resource, measured again after every iteration for the history.
        executor: where proposals are trained; by default :func:`.executors.local_pool`.
        progress: told about every finished proposal, iteration and training step.

    Raises:
        InputError: before any work if the budget cannot be met, naming the least value that can, if arguments do not
            fit together, or if the folder holds another pruning or cannot be written; later if the disk is full.
        PruningError: if every proposal of an iteration fails, or workers die again and again. What was finished is on
            disk, and the same call goes on from there.
    """
    check_fit(model, dataset)
    _check_importance(settings)
    splits = dataset.hold_out(settings.hold_out, settings.seed)
    progress = progress or (lambda event: None)
    plan = couple(model)
    table = table and _own_table(run_dir, table)
    costs = resource(budget.resource, plan, cost, table)
    initial = costs.value(plan.widths)
    problem = Problem(
        plan.widths, tuple(group.name for group in plan.prunable), costs, initial, budget.absolute(initial)
    )
    algorithm.check_reachable(problem, settings, str(budget))
    checkpoints.claim_folder(
        run_dir,
        "pruning",
        _identity(model, dataset, budget, settings, None if table is None else table.device),
        run_state.OWN,
    )
    state = run_state.load(run_dir) or _begin(run_dir, model, splits, dataset.test, measure_whole)
    problem = replace(problem, accuracy=state.held_out_accuracy)
    if table is not None:
        table.save(run_dir / run_state.TABLE)
    _say_what_to_expect(problem, settings, progress)
    describe = partial(report.describe, budget=budget, problem=problem, settings=settings, table=table)
    with _or_local(executor, model, settings) as pool:
        session = Session(run_dir, problem, settings, plan, pool, state, measure_whole, progress)
        _search(run_dir, session, problem, settings, describe)
    return _finish(run_dir, session, problem, settings, dataset, describe, progress)


def _search(run_dir: Path, session: Session, problem: Problem, settings: Settings, describe: Describe) -> None:
    try:
        for iteration in algorithm.search(problem, settings, session.score, session.state.iterations):
            session.accept(iteration)
            report.write(run_dir, describe(session.state))
    except PruningError as error:
        raise PruningError(f"{error}{_what_is_kept(run_dir, session)}") from None


def _finish(
    run_dir: Path,
    session: Session,
    problem: Problem,
    settings: Settings,
    dataset: Dataset,
    describe: Describe,
    progress: ProgressCallback,
) -> Result:
    """Judge what the search came to, save it, and train it for a long term if that is asked for."""
    state, network = _judge(run_dir, session, dataset), session.network
    _save(run_dir, network)
    report.write(run_dir, describe(state))
    if settings.long_term is not None:
        state = _train_on(run_dir, network, dataset, settings.long_term, state, progress)
        _save(run_dir, network)
        report.write(run_dir, describe(state))
    return report.result(run_dir, network, describe(state), state, problem)


def _check_importance(settings: Settings) -> None:
    if isinstance(settings.importance, str):
        if settings.importance not in IMPORTANCES:
            raise InputError(f"unknown importance {settings.importance!r}: choose one of {', '.join(IMPORTANCES)}")
        return
    try:
        pickle.dumps(settings)
    except (pickle.PicklingError, AttributeError, TypeError):
        importable = False
    else:
        importable = not settings.importance_name.startswith("__main__:")
    if not importable:
        raise InputError(
            f"importance {settings.importance_name}: worker processes cannot import it; give a function at the top "
            f"level of a module, or the name of one that edgebnn has"
        )


def _own_table(run_dir: Path, table: LatencyTable) -> LatencyTable:
    """The table that the folder's decisions were taken by, if there is one: ``table`` may have grown since."""
    path = run_dir / run_state.TABLE
    return LatencyTable.load(path, table.device) if path.exists() else table


def check_folder(
    run_dir: Path, model: keras.Model, dataset: Dataset, budget: Budget, settings: Settings, device: Device | None
) -> None:
    """Find whether ``run_dir`` is free for this pruning, or its own; nothing is written.

    Raises:
        InputError: if it holds another pruning, or files that this one would overwrite.
    """
    checkpoints.check_folder(run_dir, "pruning", _identity(model, dataset, budget, settings, device), run_state.OWN)


def _identity(
    model: keras.Model, dataset: Dataset, budget: Budget, settings: Settings, device: Device | None
) -> dict[str, dict[str, object]]:
    """What must be the same for a folder to be gone on with: not how far the search may go, nor the training after."""
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(np.ascontiguousarray(weight).tobytes())
    deciding = {name: value for name, value in settings.as_json().items() if name not in ("iterations", "long_term")}
    return {
        "model": {**checkpoints.describe_model(model), "weights": digest.hexdigest()[:16]},
        "data": {**checkpoints.describe_data(dataset)},
        "budget": asdict(budget),
        "settings": deciding,
        "table": {} if device is None else asdict(device),
    }


def _begin(
    run_dir: Path,
    model: keras.Model,
    splits: tuple[Split, Split],
    test: Split,
    measure_whole: Callable[[keras.Model], float] | None,
) -> State:
    """The state before the first iteration: the network, the data, and how good and fast the network is."""
    folder = run_dir / run_state.STORE
    folder.mkdir(exist_ok=True)
    training, held_out = splits
    arrays = (training.images, training.labels, held_out.images, held_out.labels)
    data = Data(*(store.put_array(folder, array) for array in arrays))
    original = store.put_file(folder, ".keras", model.save)
    predict = inference(model)
    _, trained = evaluate(predict, test)
    _, held_out_accuracy = evaluate(predict, held_out)
    state = State(
        original=original,
        network=original,
        data=data,
        accuracy=Accuracy(trained),
        held_out_accuracy=held_out_accuracy,
        initial_measured=measure_whole(model) if measure_whole else None,
    )
    run_state.save(run_dir, state)
    return state


def _say_what_to_expect(problem: Problem, settings: Settings, progress: ProgressCallback) -> None:
    certain = algorithm.guaranteed(problem, settings)
    if certain > problem.goal:
        progress(
            Progress(
                "note",
                message=f"{settings.iterations} iterations save at least {1 - certain / problem.initial:.0%}, the "
                f"budget asks for {1 - problem.goal / problem.initial:.0%}: it may not be met; more iterations or a "
                f"larger ratio would make sure",
            )
        )


@contextmanager
def _or_local(executor: Executor | None, model: keras.Model, settings: Settings) -> Iterator[Executor]:
    if executor is not None:
        yield executor
        return
    with local_pool(worker_bytes=memory_needed(model, settings.batch)) as pool:
        yield pool


def _what_is_kept(run_dir: Path, session: Session) -> str:
    """For the message of a search that failed, after saving the network that it came to."""
    if not session.state.iterations:
        return ""
    _save(run_dir, session.network)
    return f" (the network after iteration {len(session.state.iterations)} is in {run_dir / run_state.MODEL})"


def _judge(run_dir: Path, session: Session, dataset: Dataset) -> State:
    """The state with the accuracy of what the search came to."""
    state = session.state
    if state.judged == len(state.iterations):
        return state
    original = keras.models.load_model(run_dir / run_state.STORE / state.original, compile=False)
    pruned = surgery.cut(original, state.kept) if state.kept else original
    accuracy = Accuracy(
        trained=state.accuracy.trained,
        pruned=evaluate(inference(pruned), dataset.test)[1],
        short_term=evaluate(inference(session.network), dataset.test)[1],
    )
    state = replace(state, accuracy=accuracy, judged=len(state.iterations))
    run_state.save(run_dir, state)
    return state


def _train_on(
    run_dir: Path, network: keras.Model, dataset: Dataset, recipe: Recipe, state: State, progress: ProgressCallback
) -> State:
    """Train the pruned network for a long term, in a run folder of its own; the state with its accuracy."""

    def tell(event: training_history.Progress) -> None:
        progress(
            Progress(
                "long_term",
                done=(event.epoch - 1) * event.steps + event.step,
                total=event.epochs * event.steps,
                accuracy=event.accuracy,
            )
        )

    keras.utils.set_random_seed(recipe.seed)
    trained = train(network, dataset, recipe, run_dir / f"long_term_{len(state.iterations)}", tell)
    state = replace(state, accuracy=replace(state.accuracy, long_term=trained.test_accuracy))
    run_state.save(run_dir, state)
    return state


def _save(run_dir: Path, network: keras.Model) -> None:
    with atomic_path(run_dir / run_state.MODEL) as temporary:
        network.save(temporary)
