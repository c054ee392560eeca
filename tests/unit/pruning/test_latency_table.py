"""Latency tables: sampled from a device that is a function here, interpolated, kept, and refused elsewhere."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgebnn._tensorflow import keras
from edgebnn.errors import EdgebnnError, InputError
from edgebnn.models.alexnet import alexnet
from edgebnn.models.resnet import resnet
from edgebnn.pruning.channels.coupling import Plan, couple
from edgebnn.pruning.channels.layers import LayerShape
from edgebnn.pruning.latency import sampling
from edgebnn.pruning.latency.sampling import Sampling, measured
from edgebnn.pruning.latency.table import Device, Granularity, LatencyTable, signature
from edgebnn.pruning.progress import Progress
from edgebnn.pruning.search.budget import parse
from edgebnn.pruning.search.resources import Costs, resource

DEVICE = Device("board", "1.0", 1)


def staircase(layer: LayerShape) -> float:
    """Milliseconds on a machine that computes whole words of 32 binary inputs, and blocks of 8 outputs."""
    inputs, outputs = (32, 8) if layer.precision == "w1a1" else (8, 8)
    per_output = -(-layer.in_channels // inputs) * inputs // max(1, layer.groups if layer.groups > 1 else 1)
    work = per_output * -(-layer.out_channels // outputs) * outputs * layer.output_size[0] * layer.output_size[1]
    kernel = layer.kernel[0] * layer.kernel[1]
    return 0.003 + work * kernel * (1e-9 if layer.precision == "w1a1" else 1.5e-8)


def wide(layer: LayerShape) -> float:
    """:func:`staircase`, but binary outputs are computed in blocks of 32."""
    whole = -(-layer.out_channels // 32) * 32 if layer.precision == "w1a1" else layer.out_channels
    return staircase(replace(layer, out_channels=whole))


def bent(layer: LayerShape) -> float:
    """:func:`staircase`, but half as fast once the weights are more than a cache holds."""
    return staircase(layer) * (2 if layer.weights > 250_000 else 1)


class Clock:
    """A device that counts what it is asked, and tells the times of a batch in parts of ``part``; it is lost in front
    of the next one after ``lost`` layers."""

    def __init__(self, time: Callable[[LayerShape], float], part: int = 16, lost: float = math.inf) -> None:
        self.time, self.layers = time, list[LayerShape]()
        self.part, self.lost = part, lost

    def __call__(self, layers: Sequence[LayerShape]) -> Iterator[dict[LayerShape, float]]:
        for start in range(0, len(layers), self.part):
            if len(self.layers) >= self.lost:
                raise EdgebnnError("the cable was pulled")
            part = layers[start : start + self.part]
            self.layers.extend(part)
            yield {layer: self.time(layer) for layer in part}


@pytest.fixture(scope="module")
def binary() -> Plan:
    return couple(resnet(18, precision="w1a1"))


@pytest.fixture(scope="module")
def floating() -> Plan:
    return couple(alexnet())


def whole_errors(plan: Plan, table: LatencyTable, time: Callable[[LayerShape], float]) -> list[float]:
    rng, errors = np.random.default_rng(1), []
    for _ in range(25):
        widths = {g.name: 8 * int(rng.integers(max(1, g.channels // 32), g.channels // 8 + 1)) for g in plan.prunable}
        layers = plan.layers(widths)
        truth = sum(map(time, layers))
        errors.append(abs(table.latency(layers) - truth) / truth)
    return errors


def test_a_staircase_is_found_with_few_samples_and_exact_at_its_edges(binary: Plan) -> None:
    clock = Clock(staircase)
    table = measured(binary, clock, DEVICE)
    assert len(clock.layers) <= 600  # half a minute at 50 ms each
    assert max(table.errors()) < 1e-9
    assert max(whole_errors(binary, table, staircase)) < 1e-9
    assert table.latency(binary.layers()) == pytest.approx(sum(map(staircase, binary.layers())))


def test_the_steps_are_those_of_the_devices_kernels(binary: Plan) -> None:
    """Read in finer steps, a width between two blocks would seem to cost less than the block that it takes."""
    table = measured(binary, Clock(wide), Device("board", "1.0", 1, granularity=Granularity(w1a1=32)))
    assert max(table.errors()) < 1e-9
    assert max(whole_errors(binary, table, wide)) < 1e-9
    assert max(whole_errors(binary, measured(binary, Clock(wide), DEVICE), wide)) > 0.01


def test_a_bend_is_refined_and_the_error_is_told_by_samples_held_back(floating: Plan) -> None:
    coarse = measured(floating, Clock(bent), DEVICE, sampling=Sampling(most=9, held_back=12))
    fine = measured(floating, Clock(bent), DEVICE, sampling=Sampling(held_back=12))
    assert max(coarse.errors()) > 0.2 > max(fine.errors())
    assert fine.describe()["median_error"] < 0.02
    assert np.median(whole_errors(floating, fine, bent)) < 0.05
    for shape, entry in fine.entries.items():
        for inputs, outputs, took, predicted in entry.held_back:
            assert (inputs, outputs) not in entry.samples
            assert took == bent(LayerShape(**{**shape.__dict__, "in_channels": inputs, "out_channels": outputs}))
            assert predicted > 0


def test_layers_of_one_signature_share_samples_and_depthwise_ones_have_one_axis() -> None:
    shape = LayerShape("a", "conv2d", "float", 16, 32, (3, 3), (1, 1), (1, 1), "same", 0.0, 1, (8, 8), (8, 8))
    other = LayerShape("b", "conv2d", "float", 64, 8, (3, 3), (1, 1), (1, 1), "same", 0.0, 1, (8, 8), (8, 8))
    assert signature(shape) == signature(other)
    depthwise = LayerShape(
        "c", "depthwise_conv2d", "float", 16, 32, (3, 3), (1, 1), (1, 1), "same", 0.0, 16, (8, 8), (8, 8)
    )
    assert signature(depthwise).out_channels == 2
    assert signature(depthwise) != signature(shape)


def test_a_table_on_disk_is_used_again_and_extended(tmp_path: Path, binary: Plan, floating: Plan) -> None:
    path = tmp_path / "table.json"
    first = measured(binary, Clock(staircase), DEVICE, path)
    unused = Clock(staircase)
    assert measured(binary, unused, DEVICE, path) == first
    assert not unused.layers
    both = measured(floating, Clock(bent), DEVICE, path)
    assert both.latency(binary.layers()) == first.latency(binary.layers())
    assert both == LatencyTable.load(path, DEVICE)
    content = json.loads(path.read_text())
    assert content["device"] == {
        "name": "board",
        "kernels": "1.0",
        "threads": 1,
        "kind": "measured",
        "granularity": {"w1a1": 8, "w1a8": 8, "other": 8},
        "unit": "ms",
    }
    assert (content["format"], content["unit"], content["date"][:2]) == (1, "ms", "20")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_sampling_whose_device_is_lost_goes_on_behind_the_last_part(
    tmp_path: Path, binary: Plan, share: float
) -> None:
    """Within a batch too, and among the samples that are held back, which come last."""
    whole = Clock(staircase)
    expected = measured(binary, whole, DEVICE)
    broken = Clock(staircase, part=2, lost=share * len(whole.layers))
    with pytest.raises(EdgebnnError, match="cable"):
        measured(binary, broken, DEVICE, tmp_path / "table.json")
    partial = LatencyTable.load(tmp_path / "table.json", DEVICE)
    assert sum(len(entry.samples) + len(entry.held_back) for entry in partial.entries.values()) == len(broken.layers)
    if share < 0.5:
        with pytest.raises(InputError, match=r"does not cover a conv2d like this .* extend the table"):
            partial.latency(binary.layers())
    rest = Clock(staircase)
    table = measured(binary, rest, DEVICE, tmp_path / "table.json")
    assert table.entries == expected.entries
    assert len(rest.layers) + len(broken.layers) == len(whole.layers)


def test_the_time_left_is_told_and_does_not_count_what_was_measured_before(
    tmp_path: Path, binary: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, told = 0.0, list[tuple[float, Progress]]()
    monkeypatch.setattr(sampling.time, "monotonic", lambda: now)

    def second_a_layer(layers: Sequence[LayerShape]) -> Iterator[dict[LayerShape, float]]:
        nonlocal now
        now += len(layers)
        yield {layer: staircase(layer) for layer in layers}

    def stop_at(seconds: float, at: Progress) -> None:
        told.append((now, at))
        if now > seconds:
            raise KeyboardInterrupt

    path = tmp_path / "table.json"
    with pytest.raises(KeyboardInterrupt):
        measured(binary, second_a_layer, DEVICE, path, progress=lambda at: stop_at(40, at))
    broken_off, begun = now, len(told)
    measured(binary, second_a_layer, DEVICE, path, progress=lambda at: stop_at(math.inf, at))
    left = [(at.seconds_left or 0.0, now - when) for when, at in told]
    assert all(abs(estimate - true) <= max(5.0, 0.6 * true) for estimate, true in left)
    assert left[-1] == (0.0, 0.0)
    assert {at.done + (at.seconds_left or 0) - at.total for _, at in told} == {0.0}, "a second a layer"
    assert left[begun][0] < left[0][0] - broken_off / 2


@pytest.mark.parametrize("widths", [(16, 16), (16, 32), (48, 64)])
def test_layers_of_few_widths_are_not_taken_for_many(widths: tuple[int, ...]) -> None:
    """The first estimate, which is all that a log shows."""
    told, clock = list[Progress](), Clock(bent)
    x = image = keras.Input((28, 28, 1))
    for width in widths:
        x = keras.layers.Conv2D(width, 3)(x)
    logits = keras.layers.Dense(10)(keras.layers.GlobalAveragePooling2D()(x))
    measured(couple(keras.Model(image, logits)), clock, DEVICE, progress=told.append)
    assert len(clock.layers) <= told[0].total <= 2 * len(clock.layers)


@pytest.mark.parametrize(
    "other",
    [
        Device("other", "1.0", 1),
        Device("board", "1.1", 1),
        Device("board", "1.0", 2),
        Device("board", "1.0", 1, "simulated"),
        Device("board", "1.0", 1, granularity=Granularity(w1a1=32)),
    ],
)
def test_a_table_of_another_device_is_refused(tmp_path: Path, other: Device) -> None:
    path = tmp_path / "table.json"
    LatencyTable(DEVICE, "2026-01-01").save(path)
    with pytest.raises(
        InputError, match=r"table.json: was made for another device \(board, .*\) than this \("
    ) as caught:
        LatencyTable.load(path, other)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 1}', '{"format": 9}'])
def test_what_is_no_table_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "table.json").write_text(content)
    with pytest.raises(InputError, match=r"table.json: is (no|a) latency table"):
        LatencyTable.load(tmp_path / "table.json", DEVICE)


@pytest.mark.parametrize("time", [0.0, -1.0, math.nan, math.inf])
def test_times_that_are_none_are_refused(binary: Plan, time: float) -> None:
    with pytest.raises(InputError, match=r"board: gave .* ms for layers"):
        measured(binary, Clock(lambda layer: time), DEVICE)


def test_layers_without_a_time_are_refused(binary: Plan) -> None:
    with pytest.raises(InputError, match="board: gave no time for 15 layers"):
        measured(binary, lambda layers: [{layers[0]: 1.0}], DEVICE)


def test_latency_needs_a_table(binary: Plan) -> None:
    with pytest.raises(InputError, match="needs a target whose layers can be measured"):
        resource(parse("latency=0.5x").resource, binary, Costs())
    table = measured(binary, Clock(staircase), DEVICE)
    assert resource("latency", binary, Costs(table=table)).value(binary.widths) == table.latency(binary.layers())
