"""What a machine is under: read from files as a board's kernel has them, and what that says of a measurement."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from edgebnn.errors import InputError
from edgebnn.runtime import conditions
from edgebnn.runtime.conditions import Conditions, pin, pinned, slowed, throttled_bits
from edgebnn.targets.linux import probe


@pytest.fixture
def board(tmp_path: Path) -> Path:
    for name, text in {
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "ondemand\n",
        "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1500000\n",
        "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "3\n",
        "sys/class/thermal/thermal_zone0/temp": "61322\n",
        "sys/class/thermal/thermal_zone1/temp": "48000\n",
        "sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n",
        "proc/loadavg": "1.25 0.80 0.50 2/200 1234\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_a_boards_files_are_read(board: Path) -> None:
    found = conditions.now(board)
    assert found.governor == "ondemand"
    assert found.frequency_mhz == 1500
    assert found.temperature_c == pytest.approx(61.322)
    assert found.throttling == ("under-voltage", "throttled")
    assert found.throttled_before == ("under-voltage", "throttled")
    assert (found.throttle_events, found.load) == (3, 1.25)
    assert set(found.affinity) == os.sched_getaffinity(0)
    assert found.peak_memory_bytes


def test_a_system_that_tells_nothing_has_nothing(tmp_path: Path) -> None:
    found = conditions.now(tmp_path)
    assert (found.governor, found.frequency_mhz, found.temperature_c, found.load) == ("", None, None, None)
    assert (found.throttling, found.throttled_before, found.throttle_events) == ((), (), None)


def test_a_device_without_python_tells_its_conditions_by_its_shell() -> None:
    words = ("governor=ondemand", "temperature=61322", "frequency=1500000", "load=1.25 0.80 0.50 2/200 12", "cores=4")
    lines = ("motd", "edgebnn-probe", "machine=armv6l", *words, "throttled=throttled=0x50001", "end", "")
    found = conditions.said_by_a_shell(probe.live("\n".join(lines)))
    assert (found.governor, found.frequency_mhz, found.load) == ("ondemand", 1500, 1.25)
    assert found.temperature_c == pytest.approx(61.322)
    assert found.throttling == ("under-voltage",)
    assert found.throttled_before == ("under-voltage", "throttled")
    assert found.affinity == (0, 1, 2, 3)
    facts = probe.facts("\n".join(lines), "ssh://pi@pi")
    assert not set(facts.details) & set(probe.LIVE), "what changes is no part of a fingerprint"
    strange = probe.live("edgebnn-probe\ntemperature=nan\nload=-\ncores=1e99\nthrottled=?\nend\n")
    assert conditions.said_by_a_shell(strange).temperature_c is None
    assert len(conditions.said_by_a_shell(strange).affinity) <= 1024


def test_files_that_make_no_sense_are_passed_over(board: Path) -> None:
    for path in board.rglob("*"):
        if path.is_file():
            path.write_text("\0garbage\n")
    found = conditions.now(board)
    assert (found.frequency_mhz, found.temperature_c, found.throttling, found.load) == (None, None, (), None)


@pytest.mark.parametrize(
    ("text", "bits"), [("throttled=0x50005\n", 0x50005), ("0", 0), ("", 0), ("error=1 error_msg=...", 0)]
)
def test_what_vcgencmd_prints(text: str, bits: int) -> None:
    assert throttled_bits(text) == bits


CALM = Conditions("performance", 1800.0, 45.0, (), (), 0, 0.1, (0,), None)


def test_what_slowed_the_board_down() -> None:
    assert slowed(CALM, CALM) == ()
    assert slowed(CALM, replace(CALM, throttling=("throttled",))) == ("throttled",)
    # long over at the end, but it happened meanwhile
    assert slowed(CALM, replace(CALM, throttled_before=("frequency capped",))) == ("frequency capped",)
    old = replace(CALM, throttled_before=("under-voltage",))
    assert slowed(old, old) == ()
    assert slowed(CALM, replace(CALM, throttle_events=2)) == ("throttled",)


def test_pinning_is_undone_and_impossible_processors_are_refused() -> None:
    before = os.sched_getaffinity(0)
    with pinned((min(before),)):
        assert os.sched_getaffinity(0) == {min(before)}
    assert os.sched_getaffinity(0) == before
    with pytest.raises(InputError, match="cannot pin to the processors 4095"):
        pin([4095])
    with pinned(()):
        assert os.sched_getaffinity(0) == before
