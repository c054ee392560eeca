"""The commands and the code of README.md and docs/ run as printed, on a part of MNIST and with short trainings."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import edgebnn
from edgebnn.cli import main as cli
from edgebnn.graph.kept_metadata import kept
from edgebnn.pruning.settings import Settings
from edgebnn.runtime import build
from edgebnn.training import datasets
from edgebnn.training.splits import Dataset
from edgebnn.workflows import prune as pruning

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

SHORTER = {
    "train": ["--epochs", "1"],
    "retrain": ["--epochs", "1"],
    "prune": ["--iterations", "1", "--short-term", "1", "--table", "table.json"],
}
"""Options that make a verb quick, whatever else is given; none of them changes what is written where."""
MAY_FAIL = ("prune", "validate", "benchmark", "deploy")
"""Verbs whose answer may be no (exit code 1): one iteration meets no budget, one epoch makes wild activations, and a
machine that is busy is slower than it was."""
ELSEWHERE = (
    "python3 tools/demo.py",
    "python3 tools/test.py",
    "python3 tools/build_wheels.py",
    "pip install",
    "ssh-copy-id",
    ".venv/bin/pre-commit install",
    "benchmark_model",
    "--external_delegate_options",
)
"""Commands that other tests run (the demo, wheels and their installation), that run now, or that are TFLite's own."""

DEVICE = "ssh://"
"""In commands that tests/conformance/test_ssh_target.py runs, on an emulated device."""

EMULATED = "--target qemu-"
"""In commands that need Debian's qemu-user-static."""

FORMULA = "latency(widths) = "
"""The one fenced line that is no command."""


@dataclass(frozen=True)
class Block:
    """A fenced piece of a page; ``line``: where it begins."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(language: str) -> list[Block]:
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            line = text.count("\n", 0, match.start()) + 2
            found.append(Block(page, line, match[1], match[2]))
    assert {block.language for block in found} == {"", "python", "c", "json"}
    return [block for block in found if block.language == language]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where a reader stands: MNIST is small there, and inputs lie ready under the names that the pages use."""
    load = datasets.load

    def small(spec: str | Path, size: tuple[int, int] | None = None) -> Dataset:
        data = load(spec, size)
        parts = {
            name: replace(split, images=split.images[:count], labels=split.labels[:count])
            for name, split, count in (("train", data.train, 5_400), ("test", data.test, 200))
        }
        return replace(data, **parts)

    place = tmp_path_factory.mktemp("reader")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setattr(datasets, "load", small)
        patch.setattr(pruning, "Settings", partial(Settings, iterations=1, steps=1))
        np.save("x.npy", np.zeros((2, 28, 28, 1), np.uint8))
        Image.fromarray(small("mnist").test.images[0, ..., 0]).save("digit.png")
        Path("labels.txt").write_text("".join(f"digit {i}\n" for i in range(10)))
        yield place


def can_emulate() -> bool:
    return all(map(shutil.which, ("qemu-aarch64-static", "qemu-arm-static", "apt-get", "dpkg-deb")))


def run(block: Block, line: str) -> None:
    """One command of a page; its comment is for people."""
    words = shlex.split(line, comments=True)
    extra = SHORTER.get(words[1], [])
    with pytest.raises(SystemExit) as ended:
        cli.main([*words[1:], *extra])
    allowed = (0, 1) if words[1] in MAY_FAIL else (0,)
    assert ended.value.code in allowed, f"{block.place}: {line}"


@pytest.fixture(scope="module")
def ran(folder: Path) -> Path:
    """The folder after every command of every page."""
    for block in blocks(""):
        for line in block.text.splitlines():
            if line.startswith("edgebnn ") and DEVICE not in line and not (EMULATED in line and not can_emulate()):
                for written in re.findall(r"-o (\S+\.keras)", line) if " prune " in line else ():
                    (folder / written).unlink(missing_ok=True)  # a page of its own begins anew
                    shutil.rmtree((folder / written).with_suffix(".run"), ignore_errors=True)
                run(block, line)
    return folder


def test_every_command_runs_as_printed(ran: Path) -> None:
    for name in ("resnet8.keras", "resnet8.tflite", "pruned.keras", "retrained.tflite", "packed.tflite", "y.npy"):
        assert (ran / name).is_file(), name
    for name in ("resnet8.tflite", "retrained.tflite", "packed.tflite"):
        facts = edgebnn.load(ran / name).metadata
        assert facts is not None, name
        assert facts.labels == tuple("0123456789"), f"{name}: its labels are known from the data that it was trained on"
    pruned = kept(ran / "pruned.keras")
    assert pruned is not None
    assert pruned.labels == tuple("0123456789")
    assert (ran / "packed.tflite").stat().st_size < (ran / "portable.tflite").stat().st_size


def test_every_line_is_a_command_that_is_run_here_or_known_to_be_run_elsewhere() -> None:
    for block in blocks(""):
        for line in block.text.splitlines():
            words = line.strip()
            known = not words or words.startswith(("edgebnn ", "#", FORMULA, *ELSEWHERE))
            assert known, f"{block.place}: {line}"


def test_json_is_as_printed() -> None:
    for block in blocks("json"):
        assert json.loads(block.text), block.place


def test_python_runs_as_printed(ran: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgebnn.converters.from_keras import load_model

    images = np.zeros((3, 28, 28, 1), np.float32)
    for block in blocks("python"):
        if "qemu-" in block.text and not can_emulate():
            continue
        names: dict[str, Any] = {
            "edgebnn": edgebnn,
            "Path": Path,
            "images": images,
            "model": load_model(str(ran / "resnet8.keras")),
        }
        exec(compile(block.text, block.place, "exec"), names)


TFLITE_C_API = """
typedef struct TfLiteModel TfLiteModel;
typedef struct TfLiteInterpreterOptions TfLiteInterpreterOptions;
typedef struct TfLiteInterpreter TfLiteInterpreter;
TfLiteModel *TfLiteModelCreateFromFile(const char *path);
TfLiteInterpreterOptions *TfLiteInterpreterOptionsCreate(void);
void TfLiteInterpreterOptionsAddDelegate(TfLiteInterpreterOptions *options, TfLiteDelegate *delegate);
TfLiteInterpreter *TfLiteInterpreterCreate(const TfLiteModel *model, const TfLiteInterpreterOptions *options);
void TfLiteInterpreterDelete(TfLiteInterpreter *interpreter);
"""
"""What the page uses of tensorflow/lite/c/c_api.h, as TFLite documents it; no wheel brings the header."""


def test_c_compiles_as_printed(ran: Path, tmp_path: Path) -> None:
    by_page = {block.page.stem: block for block in blocks("c")}
    assert by_page.keys() == {"deployment", "microcontrollers"}
    (tmp_path / "edgebnn").symlink_to(build.DELEGATE)
    header = tmp_path / "tensorflow" / "lite" / "c" / "c_api.h"
    header.parent.mkdir(parents=True)
    header.write_text(TFLITE_C_API)
    compiled(by_page["deployment"], tmp_path)
    compiled(by_page["microcontrollers"], tmp_path, ran / "digits_c")


def compiled(block: Block, *folders: Path) -> None:
    """The lines of a page as a function: warnings are errors."""
    includes = [line for line in block.text.splitlines() if line.startswith("#include")]
    body = [line for line in block.text.splitlines() if not line.startswith("#include")]
    source = folders[0] / "page.c"
    source.write_text("\n".join([*includes, "void page(void);", "void page(void) {", *body, "}"]))
    paths = [f"-I{folder}" for folder in folders]
    command = [*build.find_compiler().command, "-std=c11", "-Wall", "-Werror", "-fsyntax-only", *paths]
    done = subprocess.run([*command, str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
