"""The HTML report: complete, self-contained, and safe with hostile names."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from edgebnn.errors import InputError
from edgebnn.reports import html
from edgebnn.reports.data import ReportData, Width
from tests.support.reports import report

VOID = {"meta", "link", "br", "path", "use"}


class Page(HTMLParser):
    """Elements with their attributes, the text, and whether tags are balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self._open or self._open[-1] != "style":
            self.text += data

    def of_class(self, name: str) -> int:
        return sum(name in (attributes.get("class") or "").split() for _, attributes in self.elements)


def test_every_part_of_a_full_report_is_shown() -> None:
    page = Page(html.render(report()))
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    assert {"accuracy", "latency", "ratio", "file", "agreement"} <= ids
    assert {"training", "layers", "sizes", "times", "agreements", "lint", "reproduce"} <= ids
    assert "retraining" in ids
    assert "pruning" in ids
    assert page.of_class("stage") == 10
    assert page.of_class("layer") == len(report().layers)
    for words in (
        "98.89",
        "9,998 of 10,000",
        "137 µs",
        "24.9 kB",
        "python3 tools/demo.py",
        "channels-off-32",
        "99.19",
        "passes the bars of 99.0 % deployed and at most 0.3 %",
        "measured",
    ):
        assert words in re.sub(r"\s+", " ", page.text)


def test_a_report_without_optional_parts_has_no_empty_sections() -> None:
    bare = dataclasses.replace(
        report(),
        accuracy=None,
        timing=None,
        sizes=None,
        baselines=(),
        epochs=(),
        agreements=(),
        lint_subjects=(),
        findings=(),
        retraining=None,
        pruning=None,
        microcontroller=None,
        on_pi=None,
        dataflow=None,
    )
    page = Page(html.render(bare))
    sections = [attributes.get("id") for tag, attributes in page.elements if tag == "section"]
    assert sections == ["layers", "reproduce"]


def test_ids_are_unique() -> None:
    ids = [attributes["id"] for _, attributes in Page(html.render(report())).elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_nothing_outside_the_file_is_named() -> None:
    text = html.render(report())
    assert "://" not in text
    assert "@import" not in text
    for tag, attributes in Page(text).elements:
        assert tag not in ("script", "img", "iframe", "object")
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:,"))


def _hostile(text: str) -> ReportData:
    full = report()
    assert full.timing is not None
    assert full.sizes is not None
    assert full.retraining is not None
    assert full.pruning is not None
    assert full.dataflow is not None
    replace = dataclasses.replace
    return replace(
        full,
        title=text,
        layers=tuple(replace(layer, name=text, op=text) for layer in full.layers),
        sizes=replace(full.sizes, layers=tuple(replace(s, layer=text) for s in full.sizes.layers)),
        findings=tuple(replace(f, layer=text, message=text, rule=text) for f in full.findings),
        agreements=tuple(replace(a, reference=text, note=text) for a in full.agreements),
        baselines=tuple(replace(r, name=text) for r in full.baselines),
        timing=replace(full.timing, device=text),
        dataflow=replace(
            full.dataflow,
            hardware=text,
            source=text,
            unit=text,
            layers=tuple(replace(layer, name=text) for layer in full.dataflow.layers),
            unplanned=(text,),
        ),
        retraining=replace(full.retraining, network=text),
        pruning=replace(full.pruning, widths=(Width(text, 2, 1),), timing=replace(full.pruning.timing, name=text)),
    )


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "</style></svg><script>alert(1)</script>",
        "{{ 7 * 7 }}",
        "$\\frac{1}$",
        "a & b; 'c'",
    ],
)
def test_hostile_names_stay_text(text: str) -> None:
    clean, page = Page(html.render(report())), Page(html.render(_hostile(text)))
    kinds = {tag for tag, _ in page.elements}
    assert "script" not in kinds
    assert "img" not in kinds
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert kinds == {tag for tag, _ in clean.elements}
    assert page.text.count(text) >= len(report().layers)


def test_a_failed_run_says_so() -> None:
    full = report()
    assert full.accuracy is not None
    failed = Page(html.render(dataclasses.replace(full, accuracy=dataclasses.replace(full.accuracy, deployed=0.97))))
    assert "Fails the bar of 98.5 %" in failed.text
    assert failed.of_class("failed") == 1


def test_layers_of_one_stretch_show_its_time_once() -> None:
    rows = html.layer_rows(report().layers, report().timing)
    timed = [row for row in rows if row.stretch]
    timing = report().timing
    assert timing is not None
    assert [row.stretch for row in timed] == list(timing.stretches)
    assert [row.with_index for row in rows[7:]] == [6, 6, 6, 6]


def test_the_split_of_time_adds_up_to_the_whole() -> None:
    timing = report().timing
    assert timing is not None
    parts = html.time_split(timing)
    assert sum(part.share for part in parts) == pytest.approx(1.0)
    assert [part.swatch for part in parts] == ["ours", "other", "rest"]


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    html.write(report(), tmp_path / "report.html", tmp_path / "report.json")
    assert html.read(tmp_path / "report.json") == report()
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == html.render(report())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["report.html", "report.json"]


def test_a_missing_folder_or_file_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        html.write(report(), tmp_path / "no" / "report.html", tmp_path / "no" / "report.json")
    with pytest.raises(InputError, match=r"report\.json: cannot be read"):
        html.read(tmp_path / "report.json")


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_a_missing_package_is_named_with_the_remedy(package: str) -> None:
    script = f"import sys; sys.modules[{package!r}] = None; import edgebnn.reports.html"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("edgebnn.errors.EdgebnnError: reports need jinja2 and matplotlib (")
    assert package in last
    assert "pip install 'edgebnn[reports]'" in last
