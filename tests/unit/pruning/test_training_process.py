"""Processes that train, without training: whoever dies or is interrupted, nothing else is lost and nothing stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from edgebnn.errors import EdgebnnError
from edgebnn.pruning.workers import executors
from edgebnn.pruning.workers.training_process import PREFIX, TrainingProcesses
from tests.support.processes import SECONDS, die, eventually, generated, gone, grow, nothing, slowly, training_processes


@pytest.fixture
def processes() -> Iterator[TrainingProcesses]:
    found = TrainingProcesses(nothing)
    yield found
    found.close()
    assert not training_processes()


def test_a_killed_process_costs_its_call_and_leaves_nothing(
    processes: TrainingProcesses, capfd: pytest.CaptureFixture[str]
) -> None:
    with ThreadPoolExecutor(1) as thread:
        unharmed = thread.submit(processes.call, slowly)
        assert eventually(lambda: len(training_processes()) == 1)
        pid, name = processes.call(generated)
        folder = Path(name).parent
        assert folder.name.startswith(PREFIX)
        assert not unharmed.done()
        with pytest.raises(BrokenExecutor, match="SIGKILL"):
            processes.call(os.kill, pid, signal.SIGKILL)
        assert not folder.exists()
        assert unharmed.result() not in (pid, os.getpid())
    assert capfd.readouterr().out == ""


def test_what_a_process_printed_last_is_its_cause(processes: TrainingProcesses) -> None:
    with pytest.raises(BrokenExecutor, match=r"ended \(SIGABRT.*: F check failed: rank\)$"):
        processes.call(die, "about to\nF check failed: rank\n")
    assert processes.call(os.getcwd) == os.getcwd()


def test_errors_come_out_and_cost_no_process(processes: TrainingProcesses) -> None:
    pid = processes.call(os.getpid)
    with pytest.raises(ValueError, match="invalid literal"):
        processes.call(int, "one")
    assert processes.call(os.getpid) == pid


def test_what_cannot_be_imported_there_is_said(
    processes: TrainingProcesses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes.call(os.getpid)
    (tmp_path / "only_here.py").write_text("def mine():\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    import only_here  # type: ignore[import-not-found]

    with pytest.raises(EdgebnnError, match="cannot be imported where it is trained: No module named 'only_here'"):
        processes.call(only_here.mine)


def test_a_process_that_grew_is_replaced(processes: TrainingProcesses) -> None:
    pid = processes.call(os.getpid)
    assert processes.call(grow) == pid
    assert eventually(lambda: gone(pid))
    assert processes.call(os.getpid) != pid


def test_closing_ends_what_is_at_work_and_what_is_about_to_start() -> None:
    processes = TrainingProcesses(nothing)
    failures: list[BaseException] = []

    def work(seconds: float) -> None:
        try:
            while True:
                processes.call(time.sleep, seconds)
        except BrokenExecutor as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seconds,)) for seconds in (SECONDS, 0.0, 0.01, 0.02)]
    for thread in threads:
        thread.start()
    assert eventually(lambda: len(training_processes()) >= 2)
    begun = time.monotonic()
    processes.close()
    for thread in threads:
        thread.join(SECONDS)
    assert time.monotonic() - begun < SECONDS / 2
    assert len(failures) == 4
    assert not training_processes()
    with pytest.raises(BrokenExecutor, match="closed"):
        processes.call(os.getpid)


def test_an_interrupt_leaves_no_process() -> None:
    def interrupted() -> None:
        with executors.local_pool(1) as pool:
            futures.extend(pool.submit(time.sleep, SECONDS) for _ in range(3))
            assert eventually(lambda: bool(training_processes()))
            raise KeyboardInterrupt

    futures: list[Future[None]] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not training_processes()
    assert all(future.done() for future in futures)


SCRIPT = """# a user's, without a guard for processes that import it
import os, time
from edgebnn.pruning.workers.training_process import TrainingProcesses
from tests.support.processes import generated, nothing

processes = TrainingProcesses(nothing)
print(*processes.call(generated), flush=True)
processes.call(time.sleep, 600)
"""


def test_a_killed_program_leaves_no_process_and_no_files(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    program = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True, env=environment)
    assert program.stdout is not None
    pid, name = program.stdout.readline().split()
    assert Path(name).exists()
    program.kill()
    program.wait()
    program.stdout.close()
    assert eventually(lambda: gone(int(pid)))
    assert eventually(lambda: not Path(name).parent.exists())
