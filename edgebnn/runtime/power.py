"""Meters of a board's power. One is added by one function in :data:`METERS`.

No board was at hand: the meters are tested on recorded texts and files, not on what they measure.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path("/")

INTERVAL_S = 0.02
"""Between two readings; a meter that takes longer is read as often as it can be."""
_PMIC = ("vcgencmd", "pmic_read_adc")
_PMIC_SECONDS = 5
_PMIC_LINE = re.compile(r"^\s*(\w+)_([AV])\s+(?:current|volt)\(\d+\)=([0-9.]+)[AV]\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Meter:
    """``name`` says what it measures; ``read`` gives watts, and raises OSError or ValueError where it cannot."""

    name: str
    read: Callable[[], float]


@dataclass(frozen=True)
class Energy:
    """What inferences took, by a meter's readings.

    watts: the mean while they ran; idle_watts: before. millijoules: of one inference at ``watts``;
    above_idle_millijoules: what it added. readings: of the meter while they ran.
    """

    meter: str
    watts: float
    idle_watts: float
    millijoules: float
    above_idle_millijoules: float
    readings: int
    inferences: int


def pmic_watts(text: str) -> float:
    """The power of what the Raspberry Pi 5's power controller supplies: the sum of volts times amperes of its rails.

    What the board gives to its USB ports and loses in front of the controller is not in it.

    Args:
        text: what ``vcgencmd pmic_read_adc`` prints.

    Raises:
        ValueError: it has no rail with both.
    """
    found: dict[str, dict[str, float]] = {}
    for rail, kind, value in _PMIC_LINE.findall(text):
        found.setdefault(rail, {})[kind] = float(value)
    both = [values["A"] * values["V"] for values in found.values() if len(values) == 2]
    if not both:
        raise ValueError("vcgencmd pmic_read_adc names no rail with both a current and a voltage")
    return sum(both)


def pmic(root: Path) -> Iterator[Meter]:
    """The power controller of a Raspberry Pi 5."""
    if shutil.which(_PMIC[0]) is None or "Raspberry Pi 5" not in _text(root / "proc/device-tree/model"):
        return
    yield Meter("Raspberry Pi 5's PMIC, sum of its rails", lambda: pmic_watts(_run_pmic()))


def hwmon(root: Path) -> Iterator[Meter]:
    """INA219 and its like, which the kernel's driver ina2xx reads, with the shunt resistor that is set there."""
    for folder in sorted((root / "sys/class/hwmon").glob("hwmon*")):
        name = _text(folder / "name")
        if re.fullmatch(r"ina2\d\d", name) and (folder / "power1_input").is_file():
            file = folder / "power1_input"
            yield Meter(f"{name} ({folder.name})", lambda file=file: float(file.read_text()) / 1e6)  # type: ignore[misc]


METERS: tuple[Callable[[Path], Iterator[Meter]], ...] = (hwmon, pmic)
"""Each gives the meters of its kind that are there. One that a user has connected goes before the board's own."""


def find(root: Path = ROOT) -> Meter | None:
    """The first meter that can be read, None where there is none."""
    for kind in METERS:
        for meter in kind(root):
            try:
                meter.read()
            except (OSError, ValueError, subprocess.SubprocessError):
                continue
            return meter
    return None


def measure(meter: Meter, call: Callable[[], object], seconds: float) -> Energy:
    """The energy of ``call``, done again and again.

    Args:
        meter: what is read, in a thread of its own, meanwhile.
        call: one inference.
        seconds: of inferences; a quarter of that is waited idly before.

    Raises:
        OSError, ValueError: the meter cannot be read any more.
    """
    idle, _ = _watched(meter, lambda: time.sleep(seconds / 4))
    done = [0]

    def work() -> None:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            call()
            done[0] += 1

    begin = time.perf_counter()
    watts, count = _watched(meter, work)
    each = (time.perf_counter() - begin) / done[0]
    return Energy(meter.name, watts, idle, watts * each * 1e3, (watts - idle) * each * 1e3, count, done[0])


def _watched(meter: Meter, work: Callable[[], object]) -> tuple[float, int]:
    """The mean of the readings while ``work`` is done, and how many there were."""
    stop, readings, failed = threading.Event(), [meter.read()], list[Exception]()

    def read() -> None:
        while not stop.wait(INTERVAL_S):
            try:
                readings.append(meter.read())
            except (OSError, ValueError, subprocess.SubprocessError) as error:
                failed.append(error)
                return

    reader = threading.Thread(target=read)
    reader.start()
    try:
        work()
    finally:
        stop.set()
        reader.join()
    if failed:
        raise failed[0]
    return float(np.mean(readings)), len(readings)


def _run_pmic() -> str:
    done = subprocess.run(_PMIC, capture_output=True, text=True, timeout=_PMIC_SECONDS, check=False)
    return done.stdout


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip("\0 \n")
    except OSError:
        return ""
