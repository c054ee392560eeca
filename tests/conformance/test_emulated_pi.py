"""Models on an emulated Raspberry Pi: its user land, its Python, LiteRT and edgebnn, run by qemu-user."""

from __future__ import annotations

import functools
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import edgebnn
from edgebnn.errors import InputError, InputWarning
from edgebnn.targets.boards_together import BoardsTogether
from edgebnn.targets.linux import reconnecting, user_lands
from edgebnn.targets.linux.device import ConnectionLostError
from edgebnn.targets.linux.emulated import EmulatedDevice
from edgebnn.targets.linux.target import LinuxTarget
from edgebnn.targets.model_file import open_model
from edgebnn.targets.noise import noise
from edgebnn.workflows import measuring
from edgebnn.workflows.benchmark import benchmark
from tests.support.devices import BINARY, W1A8
from tests.support.topologies import lce_bytes
from tests.unit.workflows.test_layer_graph import conv

pytestmark = pytest.mark.slow

NAMES = ("qemu-aarch64", "qemu-armv7")


@functools.cache
def emulated(name: str) -> LinuxTarget:
    """The target with its agent running, one for all tests; skips where the user land cannot be had."""
    try:
        target = edgebnn.target(name)
        assert isinstance(target, LinuxTarget)
        target.open(open_model(W1A8))
    except user_lands.UnavailableError as error:
        pytest.skip(str(error))
    return target


@pytest.mark.parametrize("name", NAMES)
def test_binary_and_w1a8_layers_are_bit_exact(name: str) -> None:
    target = emulated(name)
    assert target.validate(W1A8, count=2).bit_exact
    result = target.validate(BINARY, count=1, layers=True)
    assert result.passed
    binary = [layer for layer in result.layers or () if layer.op.startswith("Lce")]
    assert len(binary) > 10
    if name == "qemu-aarch64":  # tflite-runtime's ADD writes over an input, also where all tensors are to be kept
        assert not any(layer.departs for layer in result.layers or ())


@pytest.mark.parametrize("name", NAMES)
def test_a_profile_names_every_layer_and_says_that_it_is_emulated(name: str) -> None:
    profile = emulated(name).profile(BINARY, repeats=4)
    assert profile.kind == "emulated"
    assert sum(op.op == "LceBconv2d" for op in profile.ops) == 6
    assert {op.kernel for op in profile.ops if op.op == "LceBconv2d"} <= {"neon64", "neon32", "neon"}


def test_five_megabytes_and_twenty_repeats_take_less_than_a_minute_and_are_copied_once(tmp_path: Path) -> None:
    target = emulated("qemu-aarch64")
    model = tmp_path / "large.tflite"
    content = bytearray(BINARY.read_bytes())
    model.write_bytes(bytes(content) + np.random.default_rng(time.time_ns()).bytes(5 * 10**6))
    before = len(target.sent)
    begun = time.monotonic()
    target.profile(model, repeats=20)
    assert time.monotonic() - begun < 60
    assert [sent.what for sent in target.sent[before:]] == [str(model)]
    target.validate(model, count=1)
    assert len(target.sent) == before + 1


def test_a_batch_of_samples_and_a_session_that_is_let_go(tmp_path: Path) -> None:
    target = emulated("qemu-aarch64")
    sample = next(noise(open_model(W1A8), 1))
    for _ in range(3):
        session = target.open(open_model(W1A8))
        first, again = session.run(sample), session.run(sample)
        np.testing.assert_array_equal(first[0], again[0])
        del session


@pytest.mark.parametrize("name", NAMES)
def test_programs_for_devices_without_python_are_bit_exact(name: str) -> None:
    where = emulated(name).where
    device = EmulatedDevice(name, where._system)  # type: ignore[attr-defined]
    device.facts = replace(device.facts, python=None)
    target = LinuxTarget(device)
    assert target.validate(W1A8, count=2).bit_exact
    result = target.validate(BINARY, count=1, layers=True)
    assert result.passed
    assert not any(layer.departs for layer in result.layers or ())
    target.close()


def test_programs_for_armv6_are_bit_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Raspberry Pi 1 or Zero: its processor has neither NEON nor Thumb-2, and qemu ends programs that use them."""
    where = emulated("qemu-armv7").where
    assert isinstance(where, EmulatedDevice)
    system = replace(where._system, processor="armv6l", cpu="arm1176")
    device = EmulatedDevice("qemu-armv6", system)
    monkeypatch.setattr(device, "user_land", lambda: user_lands.UserLand(system, where.user_land().root))
    target = LinuxTarget(device)
    assert target.without_python
    assert target.validate(W1A8, count=2).bit_exact
    result = target.validate(BINARY, count=1, layers=True)
    assert result.passed
    assert not any(layer.departs for layer in result.layers or ())
    target.close()


@pytest.mark.parametrize("name", NAMES)
def test_instructions_are_counted_by_layer_and_always_the_same(name: str, tmp_path: Path) -> None:
    """Of a small network: each instruction is a line of a log."""
    emulated(name)
    model = tmp_path / "residual.tflite"
    model.write_bytes(lce_bytes("residual_int8", int8=True))
    target = edgebnn.target(name).in_unit("instructions")
    profile = target.profile(model)
    assert (profile.kind, profile.unit) == ("emulated", "instructions")
    assert profile.total == sum(op.value for op in profile.ops)
    assert target.profile(model) == profile
    by_kind = {op.op: op.value for op in profile.ops}
    assert by_kind["INTERPRETER"] < 5000
    assert by_kind["FULLY_CONNECTED"] < by_kind["MEAN"] < by_kind["ADD"]
    result = benchmark(target, open_model(model))
    assert (result.kind, result.unit, result.value, result.median_ms) == (
        "emulated",
        "instructions",
        profile.total,
        None,
    )
    with pytest.raises(InputError, match=r"tells ms; only simulated cores .* emulated devices .* tell instructions"):
        edgebnn.target(name).in_unit("cycles")


def test_two_boards_measure_layers_side_by_side_and_one_goes_on_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    emulated("qemu-aarch64")
    monkeypatch.setattr(measuring, "LAYER_SECONDS", 0.0)
    monkeypatch.setattr(measuring, "LAYER_RUNS", 0)
    boards = [edgebnn.target("qemu-aarch64") for _ in range(2)]
    boards[1].name = "another"  # as two boards have: one that is named twice is refused
    together = BoardsTogether(boards)
    layers = [conv("w1a1", out_channels=channels) for channels in range(32, 32 * 7, 32)]
    times = measuring.measure_layers(together, layers)
    assert len(times) == 6
    assert all(time > 0 for time in times)
    assert all(isinstance(board, LinuxTarget) and board._started == 1 for board in boards)

    def gone(needed: object) -> None:
        raise ConnectionLostError("the board is gone")

    lost = boards[0]
    assert isinstance(lost, LinuxTarget)
    lost._end_agent()
    monkeypatch.setattr(lost.where, "start", gone)
    monkeypatch.setattr(reconnecting, "RECONNECT_SECONDS", 1.0)
    with pytest.warns(InputWarning, match="dropped out"):
        times = measuring.measure_layers(together, layers)
    assert len(times) == 6
    together.close()
