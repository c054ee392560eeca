"""What tests and the processes they start leave in the folder for temporary files goes with them, killed or not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
LEAVES_A_FILE = """
import os, signal, subprocess, sys
from tests.support.processes import generated

def test_it(capsys):
    _, name = generated()
    killed = "from tests.support.processes import generated; import os; print(generated()); os.kill(os.getpid(), 9)"
    child = subprocess.run([sys.executable, "-c", killed], stdout=subprocess.PIPE, text=True)
    assert child.returncode == -signal.SIGKILL
    assert os.path.dirname(name) != os.environ["BEFORE"]
"""


def test_nothing_stays(tmp_path: Path) -> None:
    before = tmp_path / "temporary"
    before.mkdir()
    test = tmp_path / "test_leaves_a_file.py"
    test.write_text(LEAVES_A_FILE)
    environment = {**os.environ, "TMPDIR": str(before), "BEFORE": str(before), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider", test]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout
    assert not list(before.iterdir())
