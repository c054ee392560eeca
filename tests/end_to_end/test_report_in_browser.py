"""The report in a real browser: laid out at every width, in both colour schemes, with nothing missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgebnn.reports import html
from tests.support import browser
from tests.support.reports import report


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    browser.chromium()
    folder = tmp_path_factory.mktemp("report")
    html.write(report(), folder / "report.html", folder / "report.json")
    return folder / "report.html"


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("chromium")


def test_the_browser_shows_every_layer_and_every_chart(page: Path, profile: Path) -> None:
    dom = browser.dom(page, profile)
    assert dom.count('<tr class="layer">') == len(report().layers)
    assert dom.count("<svg") == 5
    assert "98.89" in dom


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_nothing_is_wider_than_the_window(page: Path, profile: Path, tmp_path: Path, width: int) -> None:
    assert browser.overflow(page, profile, tmp_path, width=width) <= 0


@pytest.mark.parametrize("width", [390, 1280])
def test_long_names_do_not_widen_the_page(profile: Path, tmp_path: Path, width: int) -> None:
    full, name = report(), "resnet/" + "a_layer_with_a_long_name_" * 8
    assert full.sizes is not None
    assert full.timing is not None
    long = replace(
        full,
        title=name,
        layers=tuple(replace(layer, name=name) for layer in full.layers),
        sizes=replace(full.sizes, layers=tuple(replace(size, layer=name) for size in full.sizes.layers)),
        timing=replace(full.timing, device=name),
        findings=tuple(replace(finding, layer=name, rule=name) for finding in full.findings),
    )
    html.write(long, tmp_path / "report.html", tmp_path / "report.json")
    assert browser.overflow(tmp_path / "report.html", profile, tmp_path, width=width) <= 0


@pytest.mark.parametrize(("width", "dark"), [(390, False), (390, True), (1280, False), (1280, True)])
def test_a_screenshot_has_content_in_its_colour_scheme(
    page: Path, profile: Path, tmp_path: Path, width: int, dark: bool
) -> None:
    pixels = browser.screenshot(page, tmp_path / "shot.png", profile, width=width, height=1600, dark=dark)
    assert pixels.shape == (1600, width, 3)
    assert (pixels.mean() < 96) == dark
    inked = np.ptp(pixels.astype(int), axis=1).max(axis=1) > 60
    assert inked.mean() > 0.3, "most rows of pixels are blank"
