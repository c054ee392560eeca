"""A pruning from start to end in this process: what it reports, and that nothing is lost when something goes wrong."""

from __future__ import annotations

import json
import os
import resource as limits
from collections.abc import Iterator, Mapping
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebnn import machine
from edgebnn._tensorflow import keras, tf
from edgebnn.errors import InputError, PruningError
from edgebnn.preprocessing import preprocess
from edgebnn.pruning.channels import surgery
from edgebnn.pruning.channels.coupling import couple
from edgebnn.pruning.progress import Progress
from edgebnn.pruning.search import netadapt
from edgebnn.pruning.search.budget import parse
from edgebnn.pruning.search.history import Result
from edgebnn.pruning.search.netadapt import adapt, check
from edgebnn.pruning.search.resources import Costs
from edgebnn.pruning.search.run_folder import RunFolder
from edgebnn.pruning.search.task import Task
from edgebnn.pruning.settings import Settings
from edgebnn.pruning.workers import executors
from edgebnn.training.evaluation import evaluate, inference
from edgebnn.training.splits import Dataset
from tests.support.images import blobs
from tests.support.pruning_run import BUDGET, SETTINGS, small_model

ONE = replace(SETTINGS, iterations=1)


@pytest.fixture(scope="module")
def pool() -> Iterator[Executor]:
    with executors.local_pool(1) as executor:
        yield executor


def run(run_dir: Path, settings: Settings = ONE, budget: str = str(BUDGET), **options: Any) -> Result:
    return adapt(check(Task(small_model(), blobs(), parse(budget), settings)), RunFolder(run_dir), **options)


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory, pool: Executor) -> tuple[Path, Result, list[Progress]]:
    run_dir, events = tmp_path_factory.mktemp("straight"), list[Progress]()
    costs = Costs(measure_whole=lambda model: model.count_params() / 1000)
    return run_dir, run(run_dir, SETTINGS, costs=costs, executor=pool, progress=events.append), events


def test_it_meets_the_budget_and_reports(straight: tuple[Path, Result, list[Progress]]) -> None:
    run_dir, result, events = straight
    assert result.met
    assert result.predicted <= result.budget == pytest.approx(0.68 * result.initial)
    last = result.iterations[-1]
    plan = couple(result.model)
    assert plan.widths == dict(last.widths)
    assert sum(layer.macs for layer in plan.layers()) == result.predicted
    assert result.measured == last.measured == result.model.count_params() / 1000

    history = json.loads(result.history_path.read_text())
    assert history == result.history
    assert (history["resource"], history["unit"], history["kind"]) == ("macs", "MACs", "counted")
    assert history["final"] == {"predicted": result.predicted, "measured": result.measured}
    assert history["initial_measured"] == small_model().count_params() / 1000
    assert set(history["accuracy"]) == {"trained", "pruned", "short_term", "long_term"}
    assert history["accuracy"]["long_term"] is None
    assert "avx" in history["cpu_class"] or "x86" not in history["cpu_class"]
    for iteration in history["iterations"]:
        assert iteration["predicted"] <= iteration["target"]
        assert iteration["accuracy"] == max(proposal["accuracy"] for proposal in iteration["proposals"])

    loaded = keras.models.load_model(result.model_path)
    _, accuracy = evaluate(inference(loaded), blobs().test)
    assert accuracy == result.accuracy.short_term

    searched = [event for event in events if event.stage == "search"]
    assert [event.done for event in searched[:3]] == [1, 2, 3]
    assert all(event.seconds_left is not None for event in searched)
    assert [event.iteration for event in events if event.stage == "accepted"] == [1, 2]
    assert sorted(path.name for path in run_dir.iterdir()) == [
        "history.json",
        "model.keras",
        "run.json",
        "state.json",
        "store",
    ]
    assert len(list((run_dir / "store").iterdir())) == 6  # two networks and four arrays


def test_channels_that_were_cut_from_the_trained_network_are_told(
    straight: tuple[Path, Result, list[Progress]],
) -> None:
    """Accuracy before any fine-tuning is that of the trained network without the channels that went."""
    run_dir, result, _ = straight
    state = RunFolder(run_dir).load_state()
    assert state is not None
    assert {name: len(kept) for name, kept in state.kept.items()} == {
        name: width
        for name, width in result.iterations[-1].widths.items()
        if width < couple(small_model()).widths[name]
    }
    cut = surgery.cut(small_model(), state.kept)
    assert state.accuracy.pruned == evaluate(inference(cut), blobs().test)[1]


@pytest.mark.parametrize("batches", [0, 8])
def test_proposals_batch_norms_take_averages_of_their_own(batches: int, tmp_path: Path, pool: Executor) -> None:
    """Without that, and without training, they have those of the network before: here those of one never trained."""
    model = run(tmp_path, replace(ONE, steps=0, recalibration=batches), executor=pool).model
    norm = model.get_layer("norm")
    found = keras.Model(model.input, norm.input)(preprocess(blobs().train.images)).numpy()
    expected = found.mean((0, 1, 2)) if batches else np.zeros(found.shape[-1])
    np.testing.assert_allclose(norm.moving_mean.numpy(), expected, atol=0.15 * found.std())


def test_channels_that_go_gradually_repeat_exactly(tmp_path: Path, pool: Executor) -> None:
    gradual = replace(ONE, removal="gradual", steps=8, step=8, learning_rate=0.01)
    first, again = (run(tmp_path / name, gradual, "macs=0.88x", executor=pool) for name in ("first", "again"))
    cut = run(tmp_path / "cut", replace(gradual, removal="cut"), "macs=0.88x", executor=pool)
    assert first.history == again.history
    assert first.history["settings"]["removal"] == "gradual"
    for mine, theirs in zip(first.model.get_weights(), again.model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    losses, of_cut = ([p["loss"] for p in result.history["iterations"][0]["proposals"]] for result in (first, cut))
    assert all(loss is not None and loss != other for loss, other in zip(losses, of_cut, strict=True))


def test_called_again_it_only_loads(straight: tuple[Path, Result, list[Progress]]) -> None:
    run_dir, result, _ = straight
    events: list[Progress] = []
    again = run(run_dir, SETTINGS, executor=Refusing(), progress=events.append)
    assert not [event for event in events if event.stage == "search"]
    assert again.history == result.history
    for mine, theirs in zip(again.model.get_weights(), result.model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


class Refusing(Executor):
    """An executor whose workers are gone."""

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        future.set_exception(BrokenExecutor("no workers"))
        return future


def test_an_executor_that_lost_its_workers_is_given_up_and_the_run_goes_on_later(
    tmp_path: Path, pool: Executor, straight: tuple[Path, Result, list[Progress]]
) -> None:
    with pytest.raises(PruningError, match=r"lost 3 times \(no workers\); start again to go on"):
        run(tmp_path, executor=Refusing())
    state = RunFolder(tmp_path).load_state()
    assert state is not None
    assert not state.pending, "nothing is concluded about proposals"
    more = run(tmp_path, executor=pool)
    assert len(more.iterations) == 1
    assert not more.met
    # more iterations than before continue the search that ended at its limit
    whole = run(tmp_path, SETTINGS, executor=pool)
    assert replace_measured(whole) == replace_measured(straight[1])


@pytest.mark.skipif(
    not {"avx512_bf16", "amx_bf16"} & machine.cpu_flags(), reason="this processor has no instructions for bfloat16"
)
def test_proposals_are_trained_in_the_numbers_asked_for(tmp_path: Path, pool: Executor) -> None:
    losses = {
        compute: {
            outcome.layer: outcome.loss
            for outcome in run(tmp_path / compute, replace(ONE, compute=compute), executor=pool).iterations[0].proposals
        }
        for compute in ("float32", "bfloat16")
    }
    assert losses["float32"] == pytest.approx(losses["bfloat16"], rel=0.1)
    assert losses["float32"] != losses["bfloat16"]


def replace_measured(result: Result) -> Any:
    return [replace(iteration, measured=None) for iteration in result.iterations], result.accuracy


def test_a_full_disk_costs_nothing_that_was_finished(
    tmp_path: Path, pool: Executor, straight: tuple[Path, Result, list[Progress]]
) -> None:
    soft, hard = limits.getrlimit(limits.RLIMIT_FSIZE)

    def fill(event: Progress) -> None:
        if event.done == 2:
            limits.setrlimit(limits.RLIMIT_FSIZE, (1000, hard))

    try:
        with pytest.raises(InputError, match=r"\.npz: cannot be written \(File too large\)$"):
            run(tmp_path, executor=pool, progress=fill)
    finally:
        limits.setrlimit(limits.RLIMIT_FSIZE, (soft, hard))
    state = RunFolder(tmp_path).load_state()
    assert state is not None
    assert len(state.pending) == 2
    path, mine = tmp_path / "state.json", state.cpu_classes[0]
    path.write_text(path.read_text().replace(mine, "another"))
    events: list[Progress] = []
    result = run(tmp_path, executor=pool, progress=events.append)
    assert len([event for event in events if event.stage == "search"]) == 1
    assert any(f"another class of CPU ({mine})" in event.message for event in events if event.stage == "note")
    assert result.history["cpu_class"] == f"another; {mine}"
    proposals = [replace(outcome, cpu_class=mine) for outcome in result.iterations[0].proposals]
    assert proposals == list(straight[1].iterations[0].proposals)


def test_a_loss_that_is_not_finite_is_reported(tmp_path: Path, pool: Executor) -> None:
    events: list[Progress] = []
    with pytest.raises(
        PruningError,
        match=r"every proposal failed \(first, binary, hidden: the loss is not finite after step 2\); lower",
    ) as e:
        run(tmp_path, replace(ONE, learning_rate=1e30), executor=pool, progress=events.append)
    assert "\n" not in str(e.value)
    notes = [event.message for event in events if event.stage == "note"]
    assert any("first with 12 channels is passed over: the loss is not finite" in note for note in notes)
    state = RunFolder(tmp_path).load_state()
    assert state is not None
    assert [outcome.accuracy for outcome in state.pending] == [None] * 3


def test_another_run_in_the_folder_is_refused(straight: tuple[Path, Result, list[Progress]], pool: Executor) -> None:
    run_dir, result, _ = straight
    before = result.history_path.read_bytes()
    with pytest.raises(InputError, match=r"holds another pruning \(settings seed: 3 there, 4 here\); choose another"):
        run(run_dir, replace(SETTINGS, seed=4), executor=pool)
    with pytest.raises(InputError, match=r"holds another pruning \(budget amount: 0.68 there, 0.7 here\)"):
        run(run_dir, SETTINGS, "macs=0.7x", executor=pool)
    assert result.history_path.read_bytes() == before


@pytest.mark.parametrize("name", ["state.json", "store"])
def test_a_damaged_folder_is_refused(tmp_path: Path, straight: tuple[Path, Result, list[Progress]], name: str) -> None:
    for path in straight[0].rglob("*"):
        if path.is_file():
            copy = tmp_path / path.relative_to(straight[0])
            copy.parent.mkdir(exist_ok=True)
            content = path.read_bytes()
            hurt = name in (path.name, path.parent.name)
            copy.write_bytes(content[: len(content) // 2] if hurt else content)
    with pytest.raises(InputError, match=r"is damaged; delete the (run )?folder to start again"):
        run(tmp_path, SETTINGS, executor=Refusing())


def local_importance(*arguments: Any) -> Any:
    raise AssertionError(arguments)


def test_what_cannot_work_is_refused_before_any_work(tmp_path: Path) -> None:
    def closure(*arguments: Any) -> Any:
        return local_importance(*arguments)

    refused = {
        r"cannot be met: .* ask for at least 0\.0": {"budget": "macs=0.001x"},
        "needs a target whose layers can be measured": {"budget": "latency=0.5x"},
        "a budget of flash needs a target": {"budget": "flash=0.5x"},
        "worker processes cannot import it": {"settings": replace(ONE, importance=closure)},
        "unknown importance 'l3': choose one of l2, gamma": {"settings": replace(ONE, importance="l3")},
        "cannot hold out 192 of the 192": {"settings": replace(ONE, hold_out=192)},
    }
    for message, options in refused.items():
        with pytest.raises(InputError, match=message):
            run(tmp_path / "run", executor=Refusing(), **options)
    with pytest.raises(InputError, match="the target does not say how much ram"):
        run(tmp_path / "run", budget="ram=0.5x", costs=Costs(lambda widths: {"flash": 1.0}), executor=Refusing())
    assert not (tmp_path / "run").exists()


def test_a_task_is_traced_and_its_images_are_split_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def counted(function: Any) -> Any:
        def call(*arguments: Any) -> Any:
            calls.append(function.__name__)
            return function(*arguments)

        return call

    monkeypatch.setattr(netadapt, "couple", counted(couple))
    monkeypatch.setattr(Dataset, "hold_out", counted(Dataset.hold_out))
    with pytest.raises(InputError, match="cannot be met"):  # found by the search itself
        run(tmp_path, budget="macs=0.001x", executor=Refusing())
    assert sorted(calls) == ["couple", "hold_out"]


def test_what_only_a_target_knows_decides_too(tmp_path: Path, pool: Executor) -> None:
    asked: list[tuple[int, ...]] = []
    plan = couple(small_model())

    def cost(widths: Mapping[str, int]) -> dict[str, float]:
        asked.append(tuple(widths.values()))
        return {"flash": 4.0 * sum(layer.weights for layer in plan.layers(widths))}

    result = run(tmp_path, replace(ONE, ratio=0.3), "flash=0.7x", costs=Costs(cost), executor=pool)
    assert result.met
    assert result.predicted == 4 * sum(layer.weights for layer in couple(result.model).layers())
    hidden = next(o for o in result.iterations[0].proposals if o.layer == "hidden")
    assert hidden.width % 4 == 0
    assert len(asked) == len(set(asked)) <= 16


def failing_importance(model: keras.Model, group: Any, samples: Any, seed: int) -> Any:
    """Fails for the groups that a file names."""
    if group.name in Path(os.environ["EDGEBNN_TEST_FAILING"]).read_text().split():
        raise tf.errors.InternalError(None, None, f"no kernel for {group.name}\n\t [[node]]")
    return np.arange(group.channels)[::-1]


def test_an_exception_of_tensorflow_ends_a_proposal_and_no_pruning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = tmp_path / "failing"
    monkeypatch.setenv("EDGEBNN_TEST_FAILING", str(failing))
    settings = replace(ONE, importance=failing_importance)
    assert settings.as_json()["importance"].endswith("test_adapt:failing_importance")
    failing.write_text("first binary hidden")
    events: list[Progress] = []
    with executors.local_pool(1) as executor:
        with pytest.raises(PruningError, match=r"every proposal failed \(first: InternalError: no kernel for first; "):
            run(tmp_path / "run", settings, executor=executor)
        failing.write_text("binary")
        result = run(tmp_path / "run", settings, executor=executor, progress=events.append)
    cause = "InternalError: no kernel for binary"
    assert [outcome["failure"] for outcome in result.history["iterations"][0]["proposals"]] == [None, cause, None]
    assert any(f"is passed over: {cause}" in event.message for event in events)


class Deadly(Executor):
    """Loses its worker whenever it is given a job of one group; hands others on."""

    def __init__(self, group: int, executor: Executor) -> None:
        self._group, self._executor = group, executor

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        (job,) = args
        if job.group != self._group:
            return self._executor.submit(fn, job)
        future: Future[Any] = Future()
        future.set_exception(BrokenExecutor("out of memory"))
        return future


def test_a_proposal_that_kills_its_workers_is_passed_over_where_others_succeed(tmp_path: Path, pool: Executor) -> None:
    plan = couple(small_model())
    (binary,) = (index for index, group in enumerate(plan.groups) if group.name == "binary")
    proposals = run(tmp_path, executor=Deadly(binary, pool)).iterations[0].proposals
    assert [outcome.failure for outcome in proposals] == [None, "its worker was lost 3 times (out of memory)", None]
