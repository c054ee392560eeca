"""Where a benchmark's results go."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgebnn import machine
from tools.bench.publishing import command_line, publish


def test_results_are_printed_and_written_with_the_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = command_line("A benchmark.\n\nMore about it.")
    assert parser.description == "A benchmark."
    table, document = tmp_path / "table.md", tmp_path / "results.json"
    publish(parser.parse_args([]), "| a |\n", {"repeats": 3})
    assert list(tmp_path.iterdir()) == []
    publish(
        parser.parse_args(["--json", str(document), "--markdown", str(table)]), "| a |\n", {"repeats": 3}, threads=2
    )
    assert capsys.readouterr().out == "| a |\n" * 2
    assert table.read_text() == "| a |\n"
    assert json.loads(document.read_text()) == {
        "machine": machine.describe(),
        "class": machine.cpu_class(),
        "kind": "measured",
        "threads": 2,
        "repeats": 3,
    }
