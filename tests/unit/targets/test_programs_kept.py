"""What is kept of stand-alone programs, so that the next one takes less to compile."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from edgebnn.runtime import build
from edgebnn.targets.linux import standalone
from edgebnn.targets.model_file import open_model
from tests.unit.workflows.test_layer_graph import conv, layer_graph

PACKAGES = [
    standalone.package_of(model, model.graph, "aarch64")
    for model in (open_model(layer_graph(conv("int8", out_channels=channels))) for channels in (8, 16))
]


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The C files that are compiled, without a compiler; each object and program is of 100 bytes."""
    found: list[str] = []

    def compile_object(output: Path, file: build.Source, *how: object) -> None:
        compile(output, [file])

    def compile(output: Path, files: Sequence[build.Source], *how: Any) -> None:
        found.extend(file.path.name for file in files)
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_bytes(bytes(100))

    monkeypatch.setenv("EDGEBNN_CACHE", str(tmp_path))
    monkeypatch.setattr(build, "compile", compile)
    monkeypatch.setattr(build, "compile_object", compile_object)
    return found


def test_only_what_knows_the_network_is_compiled_again(compiled: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    first = standalone.program(PACKAGES[0], "aarch64")
    assert len(set(compiled)) == len(compiled)
    assert {"by_hand_files.c", "runner.c", "network_shown.c"} < set(compiled)
    compiled.clear()
    assert standalone.program(PACKAGES[1], "aarch64") != first
    assert sorted(compiled) == ["by_hand.c", "network_shown.c", "runner.c"]
    compiled.clear()
    assert standalone.program(PACKAGES[0], "aarch64") == first
    assert compiled == []
    monkeypatch.setattr(standalone, "_FLAGS", (*standalone._FLAGS, "-DOTHER"))
    standalone.program(PACKAGES[0], "aarch64")
    assert "by_hand_files.c" in compiled


def test_an_object_follows_every_header_that_its_file_includes() -> None:
    files = {"a.c": '#include "b.h"\n#include <c.h>', "b.h": '  # include "d.kernels"\n', "c.h": "", "d.kernels": ""}
    assert set(standalone._with_includes("a.c", files)) == {"a.c", "b.h", "d.kernels"}


def test_programs_not_used_for_longest_go(compiled: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (standalone.program(package, "aarch64") for package in PACKAGES)
    for path in first.parent.iterdir():
        os.utime(path, (1, 1))
    assert standalone.program(PACKAGES[1], "aarch64") == second  # which is a use
    objects = set(first.parent.glob("*.o"))
    monkeypatch.setattr(standalone, "KEPT_BYTES", 100 * (len(objects) + 2))
    third = standalone.program(PACKAGES[1], "aarch64", link_flags=())
    assert set(first.parent.iterdir()) == {second, third, *objects}
