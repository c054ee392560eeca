"""The list of machines that wheels are built for, and what is checked of each."""

from __future__ import annotations

import importlib.metadata
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


def test_devices_get_the_libraries_that_wheels_carry_and_the_packages_that_they_require(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[3] / "tools"))
    from packaging.requirements import Requirement
    from platforms import PLATFORMS

    from edgebnn.targets.linux.bundle import PROCESSORS

    required = [Requirement(text) for text in importlib.metadata.requires("edgebnn") or ()]
    for processor, device in PROCESSORS.items():
        platform = PLATFORMS[device.kind]
        assert platform.processor == processor
        assert platform.zig_target == device.zig_target
        assert platform.tags[0].endswith(device.tag)
        here = {"platform_machine": processor, "extra": "", "python_version": "3.11"}
        wanted = {f"{one.name}{one.specifier}" for one in required if not one.marker or one.marker.evaluate(here)}
        not_of_the_agent = {"click>=8.1", "rich>=13", *(["numpy<2,>=1.24"] if device.own_numpy else [])}
        assert set(device.requirements) == wanted - not_of_the_agent
