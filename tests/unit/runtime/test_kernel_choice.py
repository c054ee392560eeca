"""Forcing a kernel by name, and saying which one runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pytest

from edgebnn.errors import InputError
from edgebnn.runtime import build
from edgebnn.runtime.kernel_choice import Choice, Kernels, check, choose, explain, read_table
from edgebnn.runtime.plugin import load_plugin, which_kernel
from tests.support import ckernels, conv2d_few_kernels, w1a8_kernels

KERNELS = Kernels(("avx2", "portable"), ("avx512",))
DOT = Kernels(("neon64dot", "neon64", "portable"), (), by_layer=True)


@pytest.mark.parametrize(
    ("operation", "lines"),
    [
        ("bconv2d", ckernels.kernel_lines),
        ("w1a8", w1a8_kernels.kernel_lines),
        ("conv2d_few", conv2d_few_kernels.kernel_lines),
        ("conv2d_few_float", partial(conv2d_few_kernels.kernel_lines, conv2d_few_kernels.FLOAT32)),
    ],
)
def test_the_table_is_that_of_the_library(operation: str, lines: Callable[[], Iterable[Any]]) -> None:
    features = ckernels.library().eb_cpu_features()
    runs = {line.name.decode(): not line.cpu_features & ~features for line in lines()}
    table = read_table(build.library(), operation)
    assert table.runnable == tuple(name for name in runs if runs[name])
    assert table.lacking == tuple(name for name in runs if not runs[name])
    assert table.by_layer == (operation == "w1a8")


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
        check(Choice(name, f"EDGEBNN_KERNELS={name}"), [KERNELS])


def test_the_explanation_says_why() -> None:
    best = explain(Choice(None, ""), KERNELS)
    assert best.startswith("avx2, the best that this processor runs (it also runs portable)")
    assert best.endswith("lacks the instructions for avx512")
    assert explain(Choice(None, ""), DOT).endswith("runs, or neon64 or portable where it costs a layer less")
    forced = explain(Choice("portable", "EDGEBNN_KERNELS=portable"), KERNELS)
    assert forced == "portable, forced by EDGEBNN_KERNELS=portable; the best for this processor is avx2"


def test_a_kernel_of_one_operation_leaves_the_others_their_best() -> None:
    choice = Choice("neon64dot", "EDGEBNN_KERNELS=neon64dot")
    check(choice, [KERNELS, DOT])
    assert explain(choice, DOT).startswith("neon64dot, forced by")
    explanation = explain(choice, KERNELS)
    assert explanation.startswith("avx2, the best")
    assert explanation.endswith("there is no neon64dot for it (EDGEBNN_KERNELS=neon64dot)")


def test_the_variable_reaches_the_delegate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEBNN_KERNELS", "abacus")
    with pytest.raises(InputError, match="EDGEBNN_KERNELS=abacus"):
        load_plugin()
    with pytest.raises(InputError, match="kernels='counting frame'"):
        load_plugin("counting frame")
    monkeypatch.setenv("EDGEBNN_KERNELS", "portable")
    load_plugin()
    assert which_kernel().startswith("portable, forced")
    assert which_kernel("w1a8").startswith("portable, forced")


def test_the_command_line_names_a_wrong_variable_in_one_line() -> None:
    environment = {**os.environ, "EDGEBNN_KERNELS": "abacus"}
    command = [sys.executable, "-m", "edgebnn", "doctor"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)
    assert done.returncode == 1
    assert "EDGEBNN_KERNELS=abacus" in done.stdout
