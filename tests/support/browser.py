"""A real browser without a window: Debian's Chromium, driven by its command line."""

from __future__ import annotations

import shutil
import subprocess
from html import escape
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

_QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
_SECONDS = 90


def chromium() -> str:
    """The browser's path; the test is skipped where there is none."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("no chromium here: install it with `apt-get install chromium`")
    return found


def dom(page: Path, profile: Path) -> str:
    """The document as the browser has it after loading ``page``."""
    return _run(profile, "--window-size=1280,900", "--dump-dom", page.as_uri())


def screenshot(page: Path, image: Path, profile: Path, *, width: int, height: int, dark: bool) -> NDArray[np.uint8]:
    """``page`` as pixels, [height, width, 3], also written to ``image`` (a .png)."""
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    _run(profile, scheme, f"--window-size={width},{height}", f"--screenshot={image}", page.as_uri())
    return np.asarray(Image.open(image).convert("RGB"))


def overflow(page: Path, profile: Path, folder: Path, *, width: int) -> int:
    """By how many pixels the content is wider than a window of ``width`` pixels: what one would scroll sideways.

    The page is put into a frame of that width, since Chromium lays windows out no narrower than 500 pixels.
    """
    probe = folder / "probe.html"
    measure = f"document.title = 'wide:' + (this.contentDocument.documentElement.scrollWidth - {width}) + ';'"
    source = escape(page.read_text(encoding="utf-8"))
    frame = f'<iframe style="border:0" width="{width}" height="900" onload="{measure}" srcdoc="{source}"></iframe>'
    probe.write_text(f'<!DOCTYPE html><meta charset="utf-8">{frame}', encoding="utf-8")
    return int(dom(probe, profile).split("wide:", 1)[1].split(";", 1)[0])


def _run(profile: Path, *arguments: str) -> str:
    command = [chromium(), *_QUIET, f"--user-data-dir={profile}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
