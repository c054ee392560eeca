"""Schedules as files, and what is refused of them: by file, layer and what is allowed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgebnn.errors import InputError
from edgebnn.files import digest
from edgebnn.kernels import schedules
from edgebnn.kernels.schedules import KernelSpace, LayerSchedule, Schedule, TileSizes

MODEL = b"TFL3"
LAYER = LayerSchedule(3, "conv", "neon64", "ws", {"pixels": 8, "blocks": 2})
SPACE = KernelSpace(
    "neon64", {"os": {"pixels": TileSizes(4, 49)}, "ws": {"pixels": TileSizes(4, 49), "blocks": TileSizes(1, 3)}}
)


def schedule(*layers: LayerSchedule) -> Schedule:
    return Schedule(digest(MODEL), "pi4", layers)


def edited(tmp_path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    path = tmp_path / "edited.json"
    schedules.write(schedule(LAYER), path)
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))
    return path


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "m.schedule.json"
    written = schedule(LAYER, LayerSchedule(5, "other", "portable", "os", {}))
    schedules.write(written, path)
    assert schedules.read(path) == written
    assert written.text == "3:neon64:ws:pixels=8,blocks=2;5:portable:os:"
    assert written.by_op[5].kernel == "portable"


def test_a_schedule_belongs_to_one_model() -> None:
    schedules.check_model(schedule(LAYER), MODEL, "m.json")
    with pytest.raises(InputError, match=r"m\.json: was made for another model"):
        schedules.check_model(schedule(LAYER), MODEL + b" ", "m.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.update(format="other"), "is no schedule"),
        (lambda v: v.update(model="ab"), "64 hexadecimal digits"),
        (lambda v: v.update(layers={}), '"layers" must be a list'),
        (lambda v: v["layers"].append(3), r"layers\[1\]: must be an object"),
        (lambda v: v["layers"].append(v["layers"][0]), r"op 3 \(conv\) has two schedules"),
        (lambda v: v["layers"][0].update(op=True), r"layers\[0\]: \"op\" must be an integer"),
        (lambda v: v["layers"][0].update(op=-1), "op -1 is no index"),
        (lambda v: v["layers"][0].pop("kernel"), r"\(conv\): \"kernel\" must be a string"),
        (lambda v: v["layers"][0].update(kernel="a:b"), "kernel 'a:b' is no name"),
        (lambda v: v["layers"][0].update(dataflow="nlr"), "'nlr' is unknown; use os or ws or rs"),
        (lambda v: v["layers"][0].update(tiles={"pixels": 0}), "positive sizes, not 'pixels': 0"),
        (lambda v: v["layers"][0].update(tiles={"pixels": 1.5}), "positive sizes"),
        (lambda v: v["layers"][0].update(tiles={"a;b": 1}), "positive sizes"),
    ],
)
def test_what_is_no_schedule_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    path = edited(tmp_path, change)
    with pytest.raises(InputError, match=message) as raised:
        schedules.read(path)
    assert str(raised.value).startswith(str(path))


@pytest.mark.parametrize("content", [b"\xff", b"{", b"[" * 100_000, b"3"])
def test_what_is_no_json_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.json"):
        schedules.read(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        schedules.read(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (LayerSchedule(4, "pool", "neon64", "os", {"pixels": 8}), r"op 4 \(pool\): no kernel there takes a schedule"),
        (
            LayerSchedule(3, "conv", "neon", "os", {"pixels": 8}),
            r"op 3 \(conv\): there is no kernel 'neon'.*use neon64",
        ),
        (LayerSchedule(3, "conv", "neon64", "rs", {}), "neon64 takes os or ws here, not 'rs'"),
        (LayerSchedule(3, "conv", "neon64", "os", {"rows": 8}), "cuts by pixels; the schedule gives rows"),
        (LayerSchedule(3, "conv", "neon64", "os", {"pixels": 6}), "pixels 6.*multiples of 4 below 49, or 49"),
        (LayerSchedule(3, "conv", "neon64", "ws", {"pixels": 4, "blocks": 4}), "blocks 4.*allowed: 1 to 3"),
    ],
)
def test_what_kernels_cannot_follow_is_refused(layer: LayerSchedule, message: str) -> None:
    with pytest.raises(InputError, match=message):
        schedules.check(schedule(layer), {3: [SPACE]}, "m.json")


def test_every_candidate_is_in_the_space() -> None:
    found = tuple(SPACE.candidates(3, "conv"))
    assert len(found) == 5 + 5 * 3  # pixels 4, 8, 16, 32, 49; blocks 1, 2, 3
    assert len({schedule(layer).text for layer in found}) == len(found)
    schedules.check(schedule(LAYER), {3: [SPACE]}, "m.json")
    for layer in found:
        schedules.check(schedule(layer), {3: [SPACE]}, "m.json")


@given(step=st.integers(1, 64), most=st.integers(1, 4096))
def test_the_sizes_tried_are_allowed_and_rise_to_the_greatest(step: int, most: int) -> None:
    sizes = TileSizes(step, most)
    assert sorted(set(sizes.tried)) == list(sizes.tried)
    assert sizes.tried[-1] == most
    assert all(size in sizes for size in sizes.tried)
    assert 0 not in sizes
    assert most + step not in sizes
