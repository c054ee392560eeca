"""NetAdapt on a Keras model: from a trained network and a budget to a smaller network, resumable at any point.

:mod:`.algorithm` has the rules, :mod:`.fine_tuning` the work of a proposal, :mod:`.run_folder` what is on disk. A kill
at any moment costs the proposals under way; the run then continues to the identical result, since all that is random
follows from the settings' seed and the iteration's number, and no decision depends on what was timed during the run.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import replace

from edgebnn import user_modules
from edgebnn._tensorflow import keras
from edgebnn.errors import InputError, PruningError
from edgebnn.models import saving
from edgebnn.pruning.channels import surgery
from edgebnn.pruning.channels.coupling import couple
from edgebnn.pruning.channels.importance import IMPORTANCES
from edgebnn.pruning.progress import Progress, ProgressCallback
from edgebnn.pruning.search import algorithm
from edgebnn.pruning.search.algorithm import Problem
from edgebnn.pruning.search.history import Accuracy, Result
from edgebnn.pruning.search.resources import Costs, resource
from edgebnn.pruning.search.run_folder import RunFolder, State
from edgebnn.pruning.search.session import Session
from edgebnn.pruning.search.task import CheckedTask, Search, Task, describe, result
from edgebnn.pruning.settings import Settings
from edgebnn.pruning.workers import executors
from edgebnn.pruning.workers.executors import local_pool, memory_needed
from edgebnn.training import history as training_history
from edgebnn.training.evaluation import evaluate, inference
from edgebnn.training.loop import check_fit, train
from edgebnn.training.recipe import Recipe


def adapt(
    checked: CheckedTask,
    folder: RunFolder,
    costs: Costs | None = None,
    *,
    executor: Executor | None = None,
    progress: ProgressCallback | None = None,
) -> Result:
    """Cut the task's network down to its budget; the network itself stays.

    Called again with the same arguments after an interruption, it goes on where it was; more ``iterations`` than before
    continue a search that ended at their limit.

    Args:
        checked: the network, its data, the budget, and how to search, as :func:`check` gives it.
        folder: of this pruning.
        costs: what only a target knows, for budgets of latency, flash, ram and energy.
        executor: where proposals are trained; by default :func:`.executors.local_pool`.
        progress: told about every finished proposal, iteration and training step.

    Raises:
        InputError: before any work if the budget cannot be met, naming the least value that can, if arguments do not
            fit together, or if the folder holds another pruning or cannot be written; later if the disk is full.
        PruningError: if every proposal of an iteration fails, or workers die again and again. What was finished is on
            disk, and the same call goes on from there.
    """
    task, settings = checked.task, checked.task.settings
    costs = costs or Costs()
    if costs.table is not None:  # it may have grown since decisions in the folder were taken by it
        costs = replace(costs, table=folder.load_table(costs.table.device) or costs.table)
    problem = _problem(checked, costs)
    algorithm.check_reachable(problem, settings, str(task.budget))
    folder.claim(task.identity(None if costs.table is None else costs.table.device))
    code = task.code(folder.modules())
    user_modules.register(code.modules, keras.utils.get_custom_objects())
    state = folder.load_state() or _begin(checked, folder, costs)
    if state.modules != code.modules:
        state = replace(state, modules=code.modules)
        folder.save_state(state)
    problem = replace(problem, accuracy=state.held_out_accuracy)
    search = Search(task, folder, problem, costs, code, progress or (lambda event: None))
    if costs.table is not None:
        folder.save_table(costs.table)
    _say_what_to_expect(search)
    with _or_local(executor, task) as pool:
        session = Session(search, pool, state)
        _run(search, session)
    return _finish(search, session)


def check(task: Task) -> CheckedTask:
    """Find what is wrong with the task itself, before anything is done for it.

    Args:
        task: the network, its data, the budget, and how to search.

    Returns:
        The task with what it takes to search, for :func:`adapt`.

    Raises:
        InputError: the network is no graph of layers, takes other images, or has no channels to lose; or there are too
            few images, or arguments do not fit together.
    """
    plan = couple(task.model)
    check_fit(task.model, task.dataset)
    _check_importance(task.settings)
    splits = task.dataset.hold_out(task.settings.hold_out, task.settings.seed)
    algorithm.check_prunable(len(plan.groups), plan.fixed, str(task.budget))
    return CheckedTask(task, plan, splits)


def check_loads(task: Task, folder: RunFolder, executor: Executor) -> None:
    """Find whether the network comes back from a file as it is, here and where ``executor`` trains; nothing is written.

    Raises:
        InputError: naming the layer that does not come back, or the module that cannot be imported.
        PruningError: no worker answers.
    """
    code = task.code(folder.modules())
    saving.check_comes_back(task.model, code)
    executors.check_loads(executor, task.model, code)


def _problem(checked: CheckedTask, costs: Costs) -> Problem:
    plan, budget = checked.plan, checked.task.budget
    counted = resource(budget.resource, plan, costs)
    initial = counted.value(plan.widths)
    prunable = tuple(group.name for group in plan.prunable)
    return Problem(plan.widths, prunable, counted, initial, budget.absolute(initial), fixed=plan.fixed)


def _run(search: Search, session: Session) -> None:
    try:
        for iteration in algorithm.search(search.problem, search.settings, session.score, session.state.iterations):
            session.accept(iteration)
            search.folder.save_history(describe(search, session.state))
    except PruningError as error:
        raise PruningError(f"{error}{_what_is_kept(search, session)}") from None


def _finish(search: Search, session: Session) -> Result:
    """Judge what the search came to, save it, and train it for a long term if that is asked for."""
    folder, network = search.folder, session.network
    state = _judge(search, session)
    folder.save_model(network)
    folder.save_history(describe(search, state))
    if search.settings.long_term is not None:
        state = _train_on(search, network, search.settings.long_term, state)
        folder.save_model(network)
        folder.save_history(describe(search, state))
    return result(search, state, network)


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


def _begin(checked: CheckedTask, folder: RunFolder, costs: Costs) -> State:
    """The state before the first iteration: the network, the data, and how good and fast the network is."""
    task, (training, held_out) = checked.task, checked.splits
    data = folder.put_data(training, held_out)
    original = folder.put_network(task.model)
    predict = inference(task.model)
    _, trained = evaluate(predict, task.dataset.test)
    _, held_out_accuracy = evaluate(predict, held_out)
    state = State(
        original=original,
        network=original,
        data=data,
        accuracy=Accuracy(trained),
        held_out_accuracy=held_out_accuracy,
        initial_measured=costs.measure_whole(task.model) if costs.measure_whole else None,
    )
    folder.save_state(state)
    return state


def _say_what_to_expect(search: Search) -> None:
    problem, settings, costs = search.problem, search.settings, search.costs
    if costs.hardware is not None:
        what = f"{search.task.budget.resource}, in {problem.resource.unit},"
        search.progress(Progress("note", message=f"{what} is {costs.kind} for {costs.hardware}"))
    certain = algorithm.guaranteed(problem, settings)
    if certain > problem.goal:
        search.progress(
            Progress(
                "note",
                message=f"{settings.iterations} iterations save at least {1 - certain / problem.initial:.0%}, the "
                f"budget asks for {1 - problem.goal / problem.initial:.0%}: it may not be met; more iterations or a "
                f"larger ratio would make sure",
            )
        )


@contextmanager
def _or_local(executor: Executor | None, task: Task) -> Iterator[Executor]:
    if executor is not None:
        yield executor
        return
    with local_pool(worker_bytes=memory_needed(task.model, task.settings.batch)) as pool:
        yield pool


def _what_is_kept(search: Search, session: Session) -> str:
    """For the message of a search that failed, after saving the network that it came to."""
    if not session.state.iterations:
        return ""
    search.folder.save_model(session.network)
    return f" (the network after iteration {len(session.state.iterations)} is in {search.folder.model})"


def _judge(search: Search, session: Session) -> State:
    """The state with the accuracy of what the search came to."""
    state, folder, test = session.state, search.folder, search.task.dataset.test
    if state.judged == len(state.iterations):
        return state
    original = folder.load_network(state.original, search.code)
    pruned = surgery.cut(original, state.kept) if state.kept else original
    accuracy = Accuracy(
        trained=state.accuracy.trained,
        pruned=evaluate(inference(pruned), test)[1],
        short_term=evaluate(inference(session.network), test)[1],
    )
    state = replace(state, accuracy=accuracy, judged=len(state.iterations))
    folder.save_state(state)
    return state


def _train_on(search: Search, network: keras.Model, recipe: Recipe, state: State) -> State:
    """Train the pruned network for a long term, in a run folder of its own; the state with its accuracy."""

    def tell(event: training_history.Progress) -> None:
        search.progress(
            Progress(
                "long_term",
                done=(event.epoch - 1) * event.steps + event.step,
                total=event.epochs * event.steps,
                accuracy=event.accuracy,
            )
        )

    keras.utils.set_random_seed(recipe.seed)
    trained = train(network, search.task.dataset, recipe, search.folder.long_term(len(state.iterations)), tell)
    state = replace(state, accuracy=replace(state.accuracy, long_term=trained.test_accuracy))
    search.folder.save_state(state)
    return state
