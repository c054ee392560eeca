"""The list of machines that wheels are built for, and what is checked of each."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("lief")


def test_every_machine_has_a_format_and_a_name_that_the_library_is_found_under(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / "tools"))
    from binary_check import _FORMATS  # type: ignore[import-not-found]
    from platforms import PLATFORMS  # type: ignore[import-not-found]

    from edgebnn.runtime.library import machine_name, packaged_name

    assert set(_FORMATS) == set(PLATFORMS)
    systems = {"macos": "Darwin"}
    for name, platform in PLATFORMS.items():
        system = name.partition("-")[0]
        assert machine_name(systems.get(system, system), platform.processor, 8) == name
    assert packaged_name("windows-x86_64").endswith(".dll")
