"""The page of a folder: its models' cards, measurements, pruning and training, escaped, and whole in a real browser."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("matplotlib", reason="reports need edgebnn[reports]")

from edgebnn.cli.main import cli
from edgebnn.converters.write_tflite import to_bytes
from edgebnn.errors import InputError
from edgebnn.graph.metadata import ImageFormat, Metadata, recorded
from edgebnn.reports import html, run_report
from edgebnn.reports.data import Benchmark
from edgebnn.targets.host import HostTarget
from edgebnn.targets.model_file import open_model
from edgebnn.workflows.benchmark import Effort, benchmark
from tests.support import browser
from tests.support.classifiers import LABELS, classifier
from tests.support.reports import report

HISTORY = Path(__file__).parents[3] / "docs" / "studies" / "netadapt" / "history.json"
EPOCH = {
    "loss": 1.0,
    "accuracy": 0.5,
    "validation_loss": 1.0,
    "validation_accuracy": 0.4,
    "test_loss": None,
    "test_accuracy": None,
    "learning_rate": 0.1,
    "seconds": 1.0,
    "device": "a PC",
    "kind": "measured",
}
FACTS = Metadata("Signs <b>", "By color & more.", "3", "Ada", "MIT", ImageFormat.of_range(-1, 1), LABELS)


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Benchmark:
    path = tmp_path_factory.mktemp("model") / "signs.tflite"
    path.write_bytes(to_bytes(recorded(classifier(), FACTS)))
    return benchmark(HostTarget(), open_model(path), effort=Effort(repeats=4, ops=True, cool_seconds=0))


@pytest.fixture
def folder(record: Benchmark, tmp_path: Path) -> Path:
    run = tmp_path / "run"
    run.mkdir()
    (run / "signs.tflite").write_bytes(to_bytes(recorded(classifier(), FACTS)))
    shutil.copy(HISTORY, run / "history.json")
    (run / "metrics.jsonl").write_text("".join(json.dumps({"epoch": e, **EPOCH}) + "\n" for e in (1, 2, 3)))
    (run / "host.json").write_text(json.dumps(asdict(replace(record, flags=("drift: <i>much</i>",)))))
    other = replace(
        record, sha256="ff" * 32, model="gone.tflite", kind="emulated", device="emulated Cortex-A53", ops=()
    )
    (run / "emulated.json").write_text(json.dumps(asdict(other)))
    (run / "settings.json").write_text("{}")
    return run


def page_of(folder: Path) -> str:
    run_report.write(folder, (), folder / "report.html")
    return (folder / "report.html").read_text()


def test_the_page_tells_all_that_lies_in_the_folder(folder: Path, record: Benchmark) -> None:
    page = page_of(folder)
    for text in (
        record.sha256,
        "Signs &lt;b&gt;",
        "By color &amp; more.",
        "MIT",
        "Ada",
        "pixels 0 to 255 as -1 to 1",
        "3: red, green, blue",
        "emulated Cortex-A53",
        "gone.tflite",
        "drift: &lt;i&gt;much&lt;/i&gt;",
    ):
        assert text in page, text
    history = json.loads(HISTORY.read_text())
    tile = page.split('id="fastest">')[1].split("</p>")[0]
    assert "of signs.tflite on" in tile, "a time is of one of the models"
    assert "</span> drift" in tile, "and no better than it was measured"
    assert page.count('<tr class="iteration">') == len(history["iterations"])
    assert page.count('<tr class="record">') == 2
    assert page.count('<tr class="layer">') == 2
    assert page.count("<svg") == 3
    assert 'class="meter' in page
    assert not re.search(r"https?://(?!www\.w3\.org)", page)
    assert page_of(folder) == page  # its own page is replaced


def test_models_and_records_from_elsewhere(folder: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    arguments = ["report", str(empty), "--with", str(folder / "signs.tflite"), "--with", str(folder / "host.json")]
    result = CliRunner().invoke(cli, [*arguments, "--json"], catch_exceptions=False)
    assert json.loads(result.stdout) == {"folder": str(empty), "page": str(empty / "report.html")}
    assert (empty / "report.html").read_text().count('<tr class="record">') == 1


def test_every_one_of_a_few_models_has_a_tile(folder: Path) -> None:
    for name in ("stops", "crossings"):
        shutil.copy(folder / "signs.tflite", folder / f"{name}.tflite")
    tiles = page_of(folder).split('<div class="tiles">')[1].split("<section")[0]
    assert [name for name in ("crossings", "signs", "stops") if f"<h3>{name}.tflite</h3>" in tiles] == [
        "crossings",
        "signs",
        "stops",
    ]


def test_a_demos_folder_gives_the_demos_page(tmp_path: Path) -> None:
    html.write(report(), tmp_path / "report.html", tmp_path / "report.json")
    before = (tmp_path / "report.html").read_text()
    assert page_of(tmp_path) == before


def test_every_part_may_be_missing_or_short(folder: Path) -> None:
    """A folder of a training of one epoch, a pruning without an iteration, records alone, models alone."""
    history = json.loads(HISTORY.read_text())
    (folder / "history.json").write_text(json.dumps({**history, "iterations": []}))
    (folder / "metrics.jsonl").write_text(json.dumps({"epoch": 1, **EPOCH, "validation_accuracy": None}) + "\n")
    parts = {
        "history.json": "<h2>Pruning</h2>",
        "metrics.jsonl": "<h2>Training</h2>",
        "emulated.json": "<h2>Measurements</h2>",
        "signs.tflite": "<h2>Signs",
    }
    contents = {path.name: path.read_bytes() for path in folder.iterdir()}
    for name, heading in parts.items():
        for path in folder.iterdir():
            path.unlink()
        (folder / name).write_bytes(contents[name])
        page = page_of(folder)
        assert [one for one in parts.values() if one in page] == [heading]


def test_what_cannot_be_told_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such folder"):
        page_of(tmp_path / "absent")
    for path, message in (
        (tmp_path / "absent", "there is no such folder"),
        (folder / "host.json", "is a file; give the"),
    ):
        result = CliRunner().invoke(cli, ["report", str(path)])
        assert str(result.exception).startswith(f"{path}: {message}")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no model"):
        page_of(tmp_path / "empty")
    (folder / "report.html").write_text("mine")
    with pytest.raises(InputError, match="no page of edgebnn's"):
        page_of(folder)
    assert (folder / "report.html").read_text() == "mine"
    (folder / "report.html").unlink()
    history = (folder / "history.json").read_text()
    for broken in ('{"iterations": [1]}', '{"iterations": []}', history.replace('"proposals"', '"x"')):
        (folder / "history.json").write_text(broken)
        with pytest.raises(InputError, match=r"history\.json: is no whole history"):
            page_of(folder)
    (folder / "history.json").write_text("[1]")  # of somebody else's
    assert "<h2>Pruning" not in page_of(folder)
    (folder / "report.html").unlink()
    (folder / "metrics.jsonl").write_text('{"epoch": 1}')
    with pytest.raises(InputError, match=r"metrics\.jsonl: holds no metrics"):
        page_of(folder)
    with pytest.raises(InputError, match="is no record"):
        run_report.gather(folder, [folder / "settings.json"])


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_wider_than_the_window(folder: Path, tmp_path: Path, width: int) -> None:
    browser.chromium()
    page_of(folder)
    assert browser.overflow(folder / "report.html", tmp_path / "profile", tmp_path, width=width) <= 0
    assert browser.dom(folder / "report.html", tmp_path / "profile").count("<svg") == 3
