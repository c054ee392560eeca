"""Records of benchmarks: how many samples, what is flagged and repeated, and what a comparison of two says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from edgebnn.cli.main import cli
from edgebnn.errors import InputError
from edgebnn.graph.types import Array
from edgebnn.reports.comparison import compare, read
from edgebnn.reports.data import Benchmark
from edgebnn.runtime.conditions import Conditions
from edgebnn.runtime.power import Energy
from edgebnn.runtime.timing import PairedTimes, Times, median_interval, until_precise
from edgebnn.targets.host import HostTarget
from edgebnn.targets.interface import Target
from edgebnn.targets.model_file import ModelFile, Session, open_model
from edgebnn.workflows.benchmark import Effort, benchmark

MODEL = Path(__file__).parents[2] / "data" / "mcu" / "resnet8_w1a1.tflite"
CALM = Conditions("performance", 1800.0, 45.0, (), (), 0, 0.1, (0, 1), None)
HOT = replace(CALM, throttling=("throttled",))
QUICK = Effort(repeats=6, cool_seconds=0)


class FakeSession(Session):
    """Takes what it is told."""

    def __init__(self, times: Callable[[int], Sequence[float]]) -> None:
        self._times = times

    def run(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        return ()

    def times(self, inputs: Sequence[Array], repeats: int) -> Times:
        return Times(tuple(self._times(repeats)))

    def trace(self, inputs: Sequence[Array]) -> dict[int, Array]:
        raise AssertionError

    def energy(self, inputs: Sequence[Array], seconds: float) -> Energy | None:
        return Energy("m", 5.0, 2.0, 5.0, 3.0, 10, 100) if seconds == 2 else None


class FakeTarget(Target):
    """A board under conditions that follow each other."""

    name, device, kind = "fake", "a board", "measured"

    def __init__(self, conditions: Sequence[Conditions], times: Callable[[int], Sequence[float]]) -> None:
        self._conditions = list(conditions)
        self._session = FakeSession(times)
        self.asked = 0

    def open(self, model: ModelFile, **options: Any) -> Session:
        return self._session

    def measure(self, *arguments: Any, **options: Any) -> Any:
        raise AssertionError

    def conditions(self) -> Conditions:
        self.asked += 1
        return self._conditions.pop(0)


def steady(repeats: int) -> list[float]:
    return [1.0] * repeats


def measured(conditions: Sequence[Conditions], times: Callable[[int], Sequence[float]] = steady, **effort: Any) -> Any:
    target = FakeTarget(conditions, times)
    found = benchmark(target, open_model(MODEL), effort=replace(QUICK, **effort))
    assert not target._conditions
    return found


def test_samples_are_taken_until_the_median_is_known() -> None:
    rng = np.random.default_rng(0)
    taken: list[int] = []

    def take(repeats: int) -> Times:
        taken.append(repeats)
        return Times(tuple(10 + rng.normal(0, 0.5, repeats)))

    found = until_precise(take, precision=0.01, seconds=1e9)
    assert found.precision <= 0.01
    assert Times(found.samples_ms[:-10]).precision > 0.01  # one portion less was not enough
    assert sum(taken) == len(found.samples_ms)


def test_samples_end_when_the_time_is_up_and_that_is_flagged() -> None:
    clock = iter(range(1000))
    found = until_precise(lambda n: Times(tuple([1.0, 9.0] * n)[:n]), 0.01, seconds=3, clock=lambda: float(next(clock)))
    assert len(found.samples_ms) == 20 + 2 * 10
    wild = measured([CALM, CALM], lambda n: ([1.0, 9.0] * n)[:n], repeats=None, seconds=0)
    assert wild.repeats == 20
    assert any(flag.startswith("imprecise") for flag in wild.flags)


def test_the_median_lies_in_its_interval_as_often_as_stated() -> None:
    rng = np.random.default_rng(1)
    for count in (10, 20, 61):
        draws = rng.lognormal(0, 1, (2000, count))  # whose median is 1
        inside = [low <= 1 <= high for low, high in map(median_interval, draws)]
        assert 0.94 < np.mean(inside) < 0.99
    assert median_interval([3.0, 1.0, 2.0]) == (1.0, 3.0)


def test_a_throttled_board_is_measured_again() -> None:
    found = measured([CALM, HOT, CALM, CALM], cool_seconds=0.001)
    assert found.flags == ()
    assert found.after == CALM


def test_a_board_that_stays_throttled_is_flagged() -> None:
    found = measured([CALM, HOT, HOT, HOT], cool_seconds=0.001)
    assert found.flags == ("slowed down: throttled",)
    assert measured([CALM, HOT]).flags == ("slowed down: throttled",)


def test_drift_and_other_load_are_flagged() -> None:
    found = measured([replace(CALM, load=7.5), CALM], lambda n: [1.0 + 0.1 * i for i in range(n)], repeats=12)
    assert found.flags[0] == "busy: 7.5 processes wanted 2 processors"
    assert found.flags[1].startswith("drift: the last third of the samples took 1.")


def test_energy_is_told_where_there_is_a_meter_and_its_lack_is_said() -> None:
    assert measured([CALM, CALM], energy_seconds=2).energy.millijoules == 5
    found = measured([CALM, CALM], energy_seconds=3)
    assert found.energy is None
    assert found.flags == ("no energy: there is no meter that edgebnn knows",)
    assert measured([CALM, CALM]).flags == ()


def record(path: Path, samples: Sequence[float], **changes: Any) -> Path:
    times = Times(tuple(samples))
    found = Benchmark(
        model="m.tflite",
        target="host",
        device="a board",
        kind="measured",
        threads=1,
        repeats=len(samples),
        median_ms=times.median_ms,
        spread_ms=times.spread_ms,
        against=None,
        unit="ms",
        value=times.median_ms,
        interval_ms=times.interval_ms,
        samples_ms=times.samples_ms,
        before=CALM,
        after=CALM,
        fingerprint={"cpu": "A72"},
        versions={"edgebnn": "1"},
    )
    path.write_text(json.dumps({**asdict(replace(found, **changes)), "a field of a later version": 1}))
    return path


def noisy(scale: float, seed: int) -> list[float]:
    return list(scale * np.random.default_rng(seed).normal(1, 0.02, 40))


def test_a_difference_beyond_the_noise_is_one_and_one_within_is_none(tmp_path: Path) -> None:
    first = record(tmp_path / "a.json", noisy(1, 0))
    for scale, verdict in ((1.0, "same"), (1.02, "same"), (1.3, "slower"), (0.7, "faster")):
        second = record(tmp_path / "b.json", noisy(scale, 1))
        found = compare(first, second)
        assert found.verdict == verdict
        assert found.ratio == pytest.approx(scale, rel=0.02)
        assert found.interval[0] < found.ratio < found.interval[1]
        result = CliRunner().invoke(cli, ["benchmark", "--compare", str(first), str(second), "--json"])
        shown = json.loads(result.stdout)
        assert shown["verdict"] == verdict


def test_counts_have_no_noise(tmp_path: Path) -> None:
    counted: dict[str, Any] = {"kind": "simulated", "unit": "instructions", "samples_ms": (), "interval_ms": None}
    first = record(tmp_path / "a.json", [1.0], **counted, value=1000.0)
    assert compare(first, record(tmp_path / "b.json", [1.0], **counted, value=1000.0)).verdict == "same"
    assert compare(first, record(tmp_path / "b.json", [1.0], **counted, value=1001.0)).verdict == "slower"
    assert compare(first, record(tmp_path / "b.json", [1.0], **counted, value=999.0)).verdict == "faster"


def test_what_changed_is_named(tmp_path: Path) -> None:
    first = record(tmp_path / "a.json", noisy(1, 0))
    second = record(
        tmp_path / "b.json",
        noisy(1, 0),
        threads=2,
        sha256="ff" * 32,
        fingerprint={"cpu": "A76"},
        versions={"edgebnn": "2"},
        before=replace(CALM, governor="ondemand", temperature_c=80.0),
        flags=("drift: much",),
    )
    found = compare(first, second)
    changes = {change.field: (change.first, change.second) for change in found.changes}
    assert changes == {
        "threads": ("1", "2"),
        "model's sha256": ("", "ff" * 8),
        "device: cpu": ("A72", "A76"),
        "version: edgebnn": ("1", "2"),
        "governor": ("performance", "ondemand"),
    }
    assert found.flags == (f"{second}: drift: much",)


def test_exit_codes_say_whether_it_became_slower(tmp_path: Path) -> None:
    fast, slow = record(tmp_path / "a.json", noisy(1, 0)), record(tmp_path / "b.json", noisy(2, 1))

    def code(*arguments: object) -> int:
        return CliRunner().invoke(cli, ["benchmark", *map(str, arguments)], standalone_mode=False).return_value

    assert code("--compare", fast, slow) == 1
    assert code("--compare", slow, fast) == 0
    assert code("--compare", fast, fast) == 0


def test_measured_and_emulated_figures_are_not_compared(tmp_path: Path) -> None:
    first = record(tmp_path / "a.json", noisy(1, 0))
    with pytest.raises(InputError, match=r"a\.json is measured and .*b\.json is emulated"):
        compare(first, record(tmp_path / "b.json", noisy(1, 0), kind="emulated"))
    with pytest.raises(InputError, match="such figures cannot be compared"):
        compare(first, record(tmp_path / "b.json", noisy(1, 0), unit="instructions"))


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "is not JSON"), ("{}", "is no record"), ('{"format": "edgebnn-benchmark-1"}', "missing field")],
)
def test_files_that_are_no_records_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(InputError, match=message):
        read(tmp_path / "x.json")
    with pytest.raises(InputError, match=r"absent\.json"):
        read(tmp_path / "absent.json")


def test_a_record_of_this_machine_is_whole_and_read_back(tmp_path: Path) -> None:
    target = HostTarget()
    found = benchmark(target, open_model(MODEL), effort=Effort(repeats=4, ops=True, cool_seconds=0, pin=(0,)))
    path = tmp_path / "r.json"
    path.write_text(json.dumps(asdict(found)))
    again = read(path)
    assert again == found
    assert again.before is not None
    assert again.before.affinity == (0,)
    assert len(again.sha256) == 64
    assert again.ops
    assert {"edgebnn", "python", "numpy"} <= again.versions.keys()
    assert {"cpu", "kernel", "cores"} <= again.fingerprint.keys()


def test_pairs_are_taken_until_their_ratio_is_known() -> None:
    rng = np.random.default_rng(0)

    def pairs(count: int) -> PairedTimes:
        shared = rng.lognormal(0, 1, count)  # the machine's mood, which both of a pair have
        return PairedTimes(Times(tuple(shared)), Times(tuple(shared * rng.normal(2, 0.02, count))))

    found = until_precise(pairs, precision=0.01, seconds=1e9)
    assert len(found.ratios) == 20
    assert found.ratio == pytest.approx(2, rel=0.02)


@pytest.mark.parametrize("verb", [["validate", "--samples", "1"], ["profile", "--repeats", "4"]])
def test_other_results_say_what_they_are_of_too(verb: list[str]) -> None:
    result = CliRunner().invoke(cli, [*verb, str(MODEL), "--json"], catch_exceptions=False)
    found = json.loads(result.stdout)
    assert found["sha256"] == hashlib.sha256(MODEL.read_bytes()).hexdigest()
    assert found["fingerprint"] == HostTarget().fingerprint()
    assert found["versions"] == HostTarget().versions()
    assert datetime.fromisoformat(found["date"]).tzinfo is not None
