"""A finished step is reused exactly while its inputs and its files are what they were."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rich.console import Console

from edgebnn.demo.steps import Steps, code_digest


@dataclass(frozen=True)
class Made:
    value: int


@dataclass
class Worker:
    """Runs a step that writes a file, and counts how often it did."""

    folder: Path
    runs: int = 0
    console: Console = field(default_factory=lambda: Console(file=io.StringIO()))

    @property
    def said(self) -> list[str]:
        assert isinstance(self.console.file, io.StringIO)
        return self.console.file.getvalue().splitlines()

    def do(self, *inputs: object, fresh: bool = False) -> int:
        return Steps(self.folder, fresh, self.console).do("s", "A step", inputs, Made, self._make, ["out.bin"]).value

    def _make(self) -> Made:
        self.runs += 1
        (self.folder / "out.bin").write_bytes(bytes([self.runs]))
        return Made(self.runs)


def test_the_same_inputs_are_not_worked_on_twice(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    assert [worker.do("a", 1), worker.do("a", 1)] == [1, 1]
    assert worker.runs == 1
    assert worker.said[0] == "A step"
    assert worker.said[1].startswith("A step: done before")


def test_other_inputs_are(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    assert [worker.do("a", 1), worker.do("a", 2), worker.do("a", 1)] == [1, 2, 3]


@pytest.mark.parametrize("spoil", [lambda p: p.write_bytes(b"other"), lambda p: p.unlink()])
def test_a_changed_or_missing_file_is_made_again(tmp_path: Path, spoil: object) -> None:
    worker = Worker(tmp_path)
    worker.do("a")
    assert callable(spoil)
    spoil(tmp_path / "out.bin")
    assert worker.do("a") == 2


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": 1}', '{"key": "x", "seconds": 1, "files": {}, "more": 2}'])
def test_a_record_that_is_not_whole_is_ignored(tmp_path: Path, text: str) -> None:
    worker = Worker(tmp_path)
    worker.do("a")
    (tmp_path / "steps" / "s.json").write_text(text)
    assert worker.do("a") == 2


def test_fresh_repeats_and_records(tmp_path: Path) -> None:
    worker = Worker(tmp_path)
    assert [worker.do("a"), worker.do("a", fresh=True), worker.do("a")] == [1, 2, 2]


def test_an_interrupted_step_leaves_no_record(tmp_path: Path) -> None:
    def interrupted() -> Made:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Steps(tmp_path, False, Console()).do("s", "A step", ["a"], Made, interrupted)
    assert Worker(tmp_path).do("a") == 1


def test_code_of_different_packages_has_different_digests() -> None:
    assert code_digest("edgebnn.graph") != code_digest("edgebnn.arithmetic")
    assert code_digest("edgebnn.graph") == code_digest("edgebnn.graph")
