"""An emulated machine is told from a real one, so that nobody takes its times for those of a board."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebnn import machine


@pytest.mark.parametrize(
    ("process", "kernel", "served_by"),
    [
        ("aarch64", "x86_64", "x86_64"),
        ("armv7l", "x86_64", "x86_64"),
        ("x86_64", "aarch64", "aarch64"),
        ("aarch64", "aarch64", None),
        ("armv7l", "aarch64", None),  # a 32-bit system on a 64-bit kernel
        ("x86_64", "x86_64", None),
        ("riscv64", "riscv64", None),
    ],
)
def test_a_foreign_kernel_tells_of_an_emulator(
    process: str, kernel: str, served_by: str | None, tmp_path: Path
) -> None:
    arch = tmp_path / "arch"
    arch.write_text(f"{kernel}\n")
    assert machine.emulated_on(process, arch) == served_by


def test_a_kernel_that_does_not_tell_is_taken_for_a_real_one(tmp_path: Path) -> None:
    assert machine.emulated_on("aarch64", tmp_path / "arch") is None


def test_this_machine_is_not_emulated() -> None:
    assert "emulated" not in machine.describe()
