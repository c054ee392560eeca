"""One pruning, wherever its proposals are trained and whoever dies meanwhile: the history is the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgebnn import machine
from edgebnn.errors import InputError
from edgebnn.pruning.search.run_folder import RunFolder
from edgebnn.pruning.workers import executors

ROOT = Path(__file__).parents[3]


def start(run_dir: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.support.pruning_run", str(run_dir), *arguments]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def finished(process: subprocess.Popen[str], code: int = 0) -> list[str]:
    """The proposals that were trained, ``"ITERATION LAYER"``, in the order they were finished."""
    out, errors = process.communicate(timeout=600)
    assert process.returncode == code, errors
    return out.splitlines()


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], bytes]:
    """The pruning in one process's turn, undisturbed: its proposals and its history."""
    run_dir = tmp_path_factory.mktemp("straight")
    proposals = finished(start(run_dir, "local:1"))
    assert len(proposals) >= 5
    return proposals, RunFolder(run_dir).history.read_bytes()


def test_a_killed_run_and_killed_training_processes_change_nothing(
    tmp_path: Path, straight: tuple[list[str], bytes]
) -> None:
    proposals, history = straight
    before = finished(start(tmp_path, "local:2", "main", "4"), -signal.SIGKILL)
    state = RunFolder(tmp_path).load_state()
    assert state is not None
    assert state.pending, "killed in the middle of an iteration"
    assert not RunFolder(tmp_path).model.exists()
    after = finished(start(tmp_path, "local:1", "trainers", "1"))
    assert sorted(before + after) == sorted(proposals), "finished proposals are not trained again"
    assert RunFolder(tmp_path).history.read_bytes() == history


def test_memory_is_estimated_of_layers_that_are_called_on_maps_of_two_sizes() -> None:
    from edgebnn._tensorflow import keras

    image = keras.Input((16, 16, 3))
    layer = keras.layers.Conv2D(3, 3, padding="same")
    model = keras.Model(image, [layer(image), layer(keras.layers.MaxPooling2D()(image))])
    numbers = 2 * 16 * 16 * 3 + 2 * 8 * 8 * 3
    without = executors.memory_needed(model, 0)
    assert executors.memory_needed(model, 10) - without == pytest.approx(executors.GROWTH * 4 * 2 * 10 * numbers, abs=1)


def test_a_cluster_whose_worker_is_killed_gives_the_same_history(
    tmp_path: Path, straight: tuple[list[str], bytes]
) -> None:
    distributed = pytest.importorskip("distributed")
    proposals, history = straight
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "local_directory": str(tmp_path)}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster, set_as_default=False) as client:
        workers: dict[str, int] = client.run(os.getpid)
        assert len(workers) == 2
        process = start(tmp_path / "run", cluster.scheduler_address)
        victim = wait_for(lambda: next((worker for worker, jobs in client.processing().items() if jobs), None), process)
        time.sleep(0.5)
        os.kill(workers[victim], signal.SIGKILL)
        assert sorted(finished(process)) == sorted(proposals)
    assert RunFolder(tmp_path / "run").history.read_bytes() == history


def wait_for(condition: Callable[[], Any], process: subprocess.Popen[str]) -> Any:
    while not (found := condition()):
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    return found


def test_a_cluster_that_is_not_there_is_said_so() -> None:
    pytest.importorskip("distributed")
    with pytest.raises(InputError, match="cluster nonsense: no dask scheduler answers"), executors.cluster("nonsense"):
        pass


def test_the_local_pool_fits_cores_and_memory() -> None:
    free = machine.free_memory()
    assert executors.default_workers(1) == len(os.sched_getaffinity(0))
    assert free is None or executors.default_workers(free + 1) == 1
    with pytest.raises(InputError, match="at least one worker, not 0"), executors.local_pool(0):
        pass
