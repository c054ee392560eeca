"""One model in many threads, in forked processes, and in both at once; how soon the first answer is there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from edgebnn.errors import InputError
from edgebnn.runtime.model import Model, load
from tests.support.topologies import images, lce_bytes

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
LSTM = Path(__file__).parents[2] / "data" / "runtime" / "lstm.tflite"


def in_child(check: Callable[[], bool], seconds: float = 60) -> bool:
    """What ``check`` answers in a forked process, which ends as programs do; it is killed if it does not end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of Python 3.12: that other threads are running
        child = os.fork()
    if child == 0:
        answer = 1
        try:
            answer = 0 if check() else 2
        finally:
            os._exit(answer)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise AssertionError("the child hangs")


@pytest.fixture(params=[1, 2])
def model(request: pytest.FixtureRequest) -> Model:
    return load(lce_bytes("plain"), num_threads=request.param)


def test_many_threads_get_what_one_gets(model: Model) -> None:
    given = [images(3) + np.float32(i) / 8 for i in range(16)]
    expected = [model(x) for x in given]
    with ThreadPoolExecutor(12) as pool:
        for _ in range(4):
            for found, wanted in zip(pool.map(model, given), expected, strict=True):
                np.testing.assert_array_equal(found, wanted)


def test_a_forked_process_goes_on(model: Model) -> None:
    x, y = images(2), model(images(2))
    assert in_child(lambda: bool(np.array_equal(model(x), y)))
    assert in_child(lambda: in_child(lambda: bool(np.array_equal(model(x), y))))
    np.testing.assert_array_equal(model(x), y)


def test_forks_while_other_threads_are_running_the_model(model: Model) -> None:
    """The lock is held, and the interpreter in the middle of something, when the process is copied."""
    x, y = images(8), model(images(8))
    stop = threading.Event()

    def busy() -> bool:
        while not stop.is_set():
            if not np.array_equal(model(x), y):
                return False
        return True

    def forked(_: int) -> bool:
        return in_child(lambda: bool(np.array_equal(model(x), y)))

    with ThreadPoolExecutor(6) as pool:
        working = [pool.submit(busy) for _ in range(3)]
        try:
            assert all(pool.map(forked, range(12)))
        finally:
            stop.set()
        assert all(one.result() for one in working)


def test_a_process_forked_in_the_middle_of_a_run_opens_the_model_anew() -> None:
    model = load(lce_bytes("plain"))
    x, y = images(2), model(images(2))
    with model._turns.take():  # as another thread would be

        def goes_on() -> bool:
            stale = model._turns.stale
            return bool(stale and np.array_equal(model(x), y) and not model._turns.stale)

        assert in_child(goes_on)


def test_streams_in_forked_processes() -> None:
    shape = load(LSTM).inputs[0].shape
    x = np.random.default_rng(0).random((4, *shape[1:]), dtype=np.float32)
    alone, forked = load(LSTM).stream(), load(LSTM, num_threads=2).stream()
    alone(x[:2])
    forked(x[:2])
    expected = load(LSTM).stream()(x)

    def the_state_is_there() -> bool:
        return bool(np.array_equal(alone(x[2:]), np.asarray(expected)[2:]))

    def refused() -> bool:
        with pytest.raises(InputError, match="cannot go on in a forked process; begin another"):
            forked(x[2:])
        return True

    assert in_child(the_state_is_there)
    assert in_child(refused)


FIRST = """
import json, sys, time
start = time.process_time()
import edgebnn
model = edgebnn.load(sys.argv[1])
import numpy as np
model(np.zeros((1, *model.inputs[0].shape[1:]), np.float32))
from edgebnn import machine
found = {"seconds": time.process_time() - start, "bytes": machine.peak_memory()}
found["modules"] = sorted(name for name in ("tensorflow", "PIL", "rich", "click") if name in sys.modules)
print(json.dumps(found))
"""


def test_the_first_answer_is_there_within_a_second(tmp_path: Path) -> None:
    """Of this process' processor time, which other processes do not add to; measured: 0.26 s and 64 MB."""
    path = tmp_path / "model.tflite"
    path.write_bytes(lce_bytes("plain"))
    load(path)  # compiles the delegate where no wheel brought it
    command = [sys.executable, "-c", FIRST, str(path)]
    runs = [json.loads(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(3)]
    assert min(run["seconds"] for run in runs) < 1
    assert 0 <= min(run["bytes"] for run in runs) < 150 << 20
    assert runs[0]["modules"] == []
