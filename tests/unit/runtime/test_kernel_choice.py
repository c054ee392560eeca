"""Forcing a kernel by name, and saying which one runs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from edgebnn.errors import InputError
from edgebnn.runtime import build
from edgebnn.runtime.kernel_choice import Choice, Kernels, check, choose, explain, read_table
from edgebnn.runtime.plugin import load_plugin, which_kernel
from tests.support import ckernels

KERNELS = Kernels(("avx2", "portable"), ("avx512",))


def test_the_table_is_that_of_the_library() -> None:
    lines = list(ckernels.kernel_lines())
    table = read_table(build.library())
    assert table.runnable == tuple(line.name.decode() for line in lines if ckernels.runnable(line))
    assert table.lacking == tuple(line.name.decode() for line in lines if not ckernels.runnable(line))


def test_an_argument_comes_before_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGEBNN_KERNELS", raising=False)
    assert choose(None).name is None
    monkeypatch.setenv("EDGEBNN_KERNELS", "avx2")
    assert choose(None) == Choice("avx2", "EDGEBNN_KERNELS=avx2")
    assert choose("portable") == Choice("portable", "kernels='portable'")
    monkeypatch.setenv("EDGEBNN_KERNELS", "")
    assert choose(None).name is None


@pytest.mark.parametrize(
    ("name", "reason"), [("abacus", "there is no such kernel"), ("avx512", "this processor lacks its instructions")]
)
def test_what_cannot_run_is_refused_with_what_can(name: str, reason: str) -> None:
    with pytest.raises(InputError, match=f"EDGEBNN_KERNELS={name}: {reason}; use one of avx2, portable"):
        check(Choice(name, f"EDGEBNN_KERNELS={name}"), KERNELS)


def test_the_explanation_says_why() -> None:
    best = explain(Choice(None, ""), KERNELS)
    assert best.startswith("avx2, the best that this processor runs (it also runs portable)")
    assert best.endswith("lacks the instructions for avx512")
    forced = explain(Choice("portable", "EDGEBNN_KERNELS=portable"), KERNELS)
    assert forced == "portable, forced by EDGEBNN_KERNELS=portable; the best for this processor is avx2"


def test_the_variable_reaches_the_delegate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEBNN_KERNELS", "abacus")
    with pytest.raises(InputError, match="EDGEBNN_KERNELS=abacus"):
        load_plugin()
    with pytest.raises(InputError, match="kernels='counting frame'"):
        load_plugin("counting frame")
    monkeypatch.setenv("EDGEBNN_KERNELS", "portable")
    load_plugin()
    assert which_kernel().startswith("portable, forced")


def test_the_command_line_names_a_wrong_variable_in_one_line() -> None:
    environment = {**os.environ, "EDGEBNN_KERNELS": "abacus"}
    command = [sys.executable, "-m", "edgebnn", "doctor"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert done.returncode == 1
    assert "EDGEBNN_KERNELS=abacus" in done.stdout
