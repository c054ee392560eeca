"""The machines that edgebnn knows, and files that describe none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgebnn.dataflow import hardware
from edgebnn.errors import InputError

GOOD = """
name = "two memories"
source = "made up"
energy_unit = "pJ"
clock_mhz = 100
dataflows = ["os"]
[mac]
energy = { binary = 0.1, w1a8 = 1, int8 = 1, float = 4 }
per_cycle = { binary = 32, w1a8 = 1, int8 = 1, float = 1 }
[[levels]]
name = "SRAM"
capacity = 65536
width = 32
energy = 5
bytes_per_cycle = 4
[[levels]]
name = "registers"
capacity = 48
width = 32
energy = 0.1
bytes_per_cycle = 12
"""


@pytest.mark.parametrize("name", hardware.names())
def test_every_machine_is_read_and_says_where_its_figures_are_from(name: str) -> None:
    machine = hardware.load(name)
    assert machine.name
    assert len(machine.source) > 10
    assert 0 < machine.homes < len(machine.levels)


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    assert hardware.load(str(path)).levels[0].capacity == 65536


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("clock_mhz = 100", "clock_mhz = 0", "clock_mhz must be a number above 0, not 0"),
        ("clock_mhz = 100", "", "lacks clock_mhz"),
        ("clock_mhz = 100", "clock_mhz = nan", "clock_mhz must be a number above 0"),
        ("energy = 5", "energy = -5", r"levels\[0\]: energy must be a number of at least 0, not -5"),
        ("capacity = 65536", "capacity = 0", r"levels\[0\]: capacity must be a whole number of at least 1"),
        ("width = 32", "width = 1.5", "width must be a whole number"),
        ("width = 32", "widht = 32", "lacks width"),
        ("capacity = 65536", "capacity = 65536\nbanks = 2", "unknown entry 'banks'"),
        ('dataflows = ["os"]', 'dataflows = ["systolic"]', "dataflows must be of rs, ws, os, .*nlr"),
        ('dataflows = ["os"]', "dataflows = []", "dataflows must be of"),
        ('name = "registers"', 'name = "SRAM"', "names must differ"),
        ('name = "registers"', 'name = "MAC"', "not be MAC"),
        ("capacity = 65536", 'capacity = 65536\nholds = ["weights"]', "no level but the last holds inputs"),
        ("[mac]", "[array]\nrows = 2\ncolumns = 2\n[mac]", "an array of 4 needs a last level that is per_pe"),
        ("capacity = 65536", "capacity = 65536\nper_pe = true", "only the last level can be per_pe"),
        ("int8 = 1, float = 4 }", "int8 = 1 }", "lacks float"),
        ('name = "two memories"', "name = 2", "name must be a text"),
        ("[[levels]]", "[levels]", "not TOML"),
        (
            "clock_mhz = 100",
            f"clock_mhz = {'9' * 400}",
            r"clock_mhz must be a number between 1e-15 and 1e\+15, not 999",
        ),
        ("clock_mhz = 100", f"clock_mhz = {'9' * 5000}", "is not TOML"),
        ("clock_mhz = 100", f"clock_mhz = 0x{'f' * 5000}", "clock_mhz must be .*so large a number"),
        ("energy = 5", "energy = 1e308", "energy must be a number between"),
        ("energy = 5", "energy = 1979-05-27", "energy must be a number"),
        ("bytes_per_cycle = 4", "bytes_per_cycle = 5e-324", "bytes_per_cycle must be a number between"),
        (
            "clock_mhz = 100",
            'clock_mhz = 100\nobjective = ["energy", "edp"]',
            "objective must be one of .*not 2 of them",
        ),
        ("clock_mhz = 100", "clock_mhz = 100\nword_bits = 4611686018427387904", "word_bits must be a whole number"),
        ("[mac]", "[array]\nrows = 1000000000\ncolumns = 1\n[mac]", "rows must be a whole number of at least 1, up to"),
        ('"two memories"', '"two\\nmemories"', "name must be a text of one line"),
        ("width = 32", 'holds = [["weights"]]\nwidth = 32', "holds must be of weights, inputs, outputs"),
        ("capacity = 65536", "capacity = {}", "registers is larger than SRAM"),
        ("capacity = 65536", "compression = 7\ncapacity = 65536", "compression must be a table"),
    ],
)
def test_impossible_files_are_refused_with_the_entry(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD.replace(old, new, 1) if old != "[[levels]]" else GOOD.replace('name = "SRAM"', "name = "))
    with pytest.raises(InputError, match=f"mine.toml.*{message}") as error:
        hardware.load(str(path))
    assert "\n" not in str(error.value)


def test_a_cache_larger_than_the_memory_behind_it(tmp_path: Path) -> None:
    cache = '[[levels]]\nname = "L2"\ncapacity = {}\nwidth = 32\nenergy = 1\nbytes_per_cycle = 4\n'
    outer, inner = cache.format(1000), cache.replace("L2", "L1").format(2000)
    memory = '[[levels]]\nname = "DRAM"\nwidth = 32\nenergy = 5\nbytes_per_cycle = 4\n'
    head, registers = GOOD.split("[[levels]]")[0], "[[levels]]" + GOOD.split("[[levels]]")[2]
    path = tmp_path / "mine.toml"
    path.write_text(head + memory + outer + inner + registers)
    with pytest.raises(InputError, match="L1 is larger than L2"):
        hardware.load(str(path))


def test_names_and_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"unknown hardware 'pdp11'; known: .*eyeriss"):
        hardware.load("pdp11")
    with pytest.raises(InputError, match=re.escape(f"{tmp_path}/none.toml: cannot be read")):
        hardware.load(f"{tmp_path}/none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not text in UTF-8"):
        hardware.load(f"{tmp_path}/binary.toml")
