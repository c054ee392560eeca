"""The latency table of a network on a target, calibrated on the whole of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebnn._tensorflow import keras
from edgebnn.converters.from_keras import convert
from edgebnn.errors import InputError
from edgebnn.graph import counts
from edgebnn.models import build
from edgebnn.pruning.channels.coupling import Plan, couple
from edgebnn.targets.model_file import ModelFile
from edgebnn.workflows.latency_tables import LayerTiming, channels_at_once, latency_table
from tests.unit.workflows.test_measuring import ScriptedTarget

BETWEEN = 50.0


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, ModelFile]:
    keras.utils.set_random_seed(0)
    model = build("resnet8", widths=(16, 16, 32), input_shape=(16, 16, 1))

    content = convert(model, "float")
    return couple(model), ModelFile("resnet8", content)


def by_macs(model: ModelFile) -> list[float]:
    """A microsecond for a thousand multiply-accumulates; and what only a whole network has, in one piece."""
    took = counts.macs(model.graph).total * 1e-6
    return [took] if len(model.graph.ops) < 3 else [took, BETWEEN * 1e-3]


def test_channels_cost_in_steps_of_the_kernels_tables() -> None:
    assert (channels_at_once("bconv2d"), channels_at_once("w1a8")) == (32, 16)


def test_the_prediction_for_the_unpruned_network_is_what_it_takes(
    tmp_path: Path, network: tuple[Plan, ModelFile]
) -> None:
    plan, whole = network
    table = latency_table(LayerTiming(ScriptedTarget(by_macs, kind="simulated")), plan, whole, tmp_path / "table.json")
    assert table.latency(plan.layers()) == pytest.approx(sum(by_macs(whole)))
    assert table.device.kind == "simulated"
    smaller = plan.layers({plan.prunable[0].name: 8})
    layers_alone = sum(layer.macs for layer in smaller) * 1e-6
    assert layers_alone < table.latency(smaller) < layers_alone + BETWEEN * 1e-3


def test_layers_that_take_longer_than_the_whole_network_are_told_of(
    tmp_path: Path, network: tuple[Plan, ModelFile]
) -> None:
    def disturbed(model: ModelFile) -> list[float]:
        return [time * (1.0 if model is whole else 3.0) for time in by_macs(model)]

    plan, whole = network
    notes: list[str] = []
    place = ScriptedTarget(disturbed, kind="simulated")
    timing = LayerTiming(place, progress=lambda event: notes.append(event.message))
    table = latency_table(timing, plan, whole, tmp_path / "table.json")
    assert "something else kept scripted busy" in notes[-1]
    assert table.between == 0


def test_samples_are_used_again_and_refused_on_another_device(tmp_path: Path, network: tuple[Plan, ModelFile]) -> None:
    plan, whole = network
    place, path = ScriptedTarget(by_macs, kind="simulated"), tmp_path / "table.json"
    latency_table(LayerTiming(place), plan, whole, path)
    asked = len(place.asked)
    latency_table(LayerTiming(place), plan, whole, path)
    assert len(place.asked) - asked < 5  # the whole network, no layer
    with pytest.raises(InputError, match="another device"):
        latency_table(LayerTiming(ScriptedTarget(by_macs, kind="simulated"), threads=2), plan, whole, path)
