"""Machines by name: figures, and tables of latencies, hold for one generation of processor."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebnn import machine

VIRTUAL = "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: {}\nmodel\t\t: {}\nmodel name\t: AMD EPYC\n\n"


def test_generations_that_a_virtual_machine_calls_by_one_name_are_told_apart(tmp_path: Path) -> None:
    names = []
    for family, model in ((25, 17), (26, 2)):  # Zen 4, Zen 5
        cpuinfo = tmp_path / "cpuinfo"
        cpuinfo.write_text(VIRTUAL.format(family, model) * 2)
        names.append(machine.cpu_name(tmp_path / "none", cpuinfo))
    assert names == ["AMD EPYC, family 25, model 17", "AMD EPYC, family 26, model 2"]


@pytest.mark.parametrize("part", ["0xd0c", "0xd40"])
def test_arm_servers_have_no_name_but_a_part_number(part: str, tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: {part}\n")
    assert machine.cpu_name(tmp_path / "none", cpuinfo).endswith(f", implementer 0x41, part {part}")


def test_a_board_has_a_name_of_its_own(tmp_path: Path) -> None:
    board = tmp_path / "model"
    board.write_bytes(b"Raspberry Pi 4 Model B Rev 1.5\0")
    assert machine.cpu_name(board) == "Raspberry Pi 4 Model B Rev 1.5"


def test_without_any_name_the_architecture_serves(tmp_path: Path) -> None:
    assert machine.cpu_name(tmp_path / "none", tmp_path / "none")
