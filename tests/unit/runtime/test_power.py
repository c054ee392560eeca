"""Meters of power, on recorded texts and files: no board was at hand."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from edgebnn.runtime import power

PMIC = """\
   3V7_WL_SW_A current(0)=0.09954060A
   3V3_SYS_A current(1)=0.05250000A
  VDD_CORE_A current(7)=2.50000000A
   3V7_WL_SW_V volt(8)=3.70000000V
   3V3_SYS_V volt(9)=3.30000000V
  VDD_CORE_V volt(15)=0.80000000V
     EXT5V_V volt(24)=5.15000000V
      BATT_V volt(25)=0.00000000V
"""
"""In the form that `vcgencmd pmic_read_adc` prints; EXT5V and BATT have a voltage alone."""


def ina219(root: Path, microwatts: str, name: str = "ina219") -> Path:
    folder = root / "sys/class/hwmon/hwmon2"
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{name}\n")
    (folder / "power1_input").write_text(f"{microwatts}\n")
    return folder / "power1_input"


def test_the_pmics_rails_are_added_up() -> None:
    assert power.pmic_watts(PMIC) == pytest.approx(0.0995406 * 3.7 + 0.0525 * 3.3 + 2.5 * 0.8)
    with pytest.raises(ValueError, match="names no rail"):
        power.pmic_watts("VCHI initialization failed")


def test_an_ina219_is_found_and_read(tmp_path: Path) -> None:
    ina219(tmp_path, "4350000")
    meter = power.find(tmp_path)
    assert meter is not None
    assert meter.name == "ina219 (hwmon2)"
    assert meter.read() == pytest.approx(4.35)


@pytest.mark.parametrize(("text", "name"), [("4350000", "cpu_thermal"), ("none", "ina219")])
def test_what_is_no_meter_or_cannot_be_read_is_none(tmp_path: Path, text: str, name: str) -> None:
    ina219(tmp_path, text, name)
    assert power.find(tmp_path) is None


def test_energy_is_power_by_time() -> None:
    watts = [2.0]

    def inference() -> None:
        watts[0] = 5.0
        time.sleep(0.01)

    found = power.measure(power.Meter("m", lambda: watts[0]), inference, seconds=0.4)
    assert found.idle_watts == 2
    assert 4 < found.watts <= 5  # the reading before the first inference is idle's
    assert found.inferences >= 2
    assert found.readings >= 2
    assert found.millijoules == pytest.approx(found.watts * 400 / found.inferences, rel=0.5)
    ratio = (found.watts - 2) / found.watts
    assert found.above_idle_millijoules == pytest.approx(found.millijoules * ratio)


def test_a_meter_that_goes_away_is_said() -> None:
    readings = iter([1.0] * 3)

    def read() -> float:
        try:
            return next(readings)
        except StopIteration:
            raise OSError("it is gone") from None

    with pytest.raises(OSError, match="it is gone"):
        power.measure(power.Meter("m", read), lambda: time.sleep(0.01), seconds=0.3)
