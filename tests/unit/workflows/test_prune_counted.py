"""Pruning to a budget of what a simulated core counts: its unit, its int8 layers, and no time that it does not tell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgebnn._tensorflow import keras
from edgebnn.errors import InputError
from edgebnn.graph import counts
from edgebnn.models.resnet import resnet
from edgebnn.pruning.channels.coupling import couple
from edgebnn.pruning.settings import Settings
from edgebnn.targets import target
from edgebnn.targets.model_file import ModelFile
from edgebnn.workflows.measuring import measure_layers
from edgebnn.workflows.prune import PruneOptions, deployment, prune_in
from tests.support.images import blobs
from tests.unit.workflows.test_measuring import ScriptedTarget

SETTINGS = Settings(ratio=0.2, iterations=1, steps=1, batch=32, recalibration=1, hold_out=64)
LAYERS = {"CONV_2D", "EdgebnnConv2dW1A8", "FULLY_CONNECTED"}
FLOAT_COSTS = 1000
"""Times an int8 multiplication, on a core that has no floating point."""


def instructions(model: ModelFile) -> list[float]:
    """By multiplication, and 30 for each element of what is no layer."""
    graph = model.graph
    found = []
    for index, op in enumerate(graph.ops):
        macs = counts.op_macs(graph, index)
        elements = graph.tensors[op.outputs[0]].elements
        found.append(
            0.6 * macs.w1a8 + 1.5 * macs.int8 + FLOAT_COSTS * macs.float + 30 * elements * (op.kind not in LAYERS)
        )
    return found


@pytest.fixture(scope="module")
def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    return resnet(8, widths=(16, 24, 24), classes=2, precision="w1a8", input_shape=(8, 8, 1))


def test_predicted_and_counted_agree_where_layers_are_int8_once_converted(tmp_path: Path, network: keras.Model) -> None:
    place = ScriptedTarget(instructions, kind="simulated", unit="instructions")
    result = prune_in(tmp_path, network, blobs(), place, "latency=0.9x", PruneOptions(SETTINGS, workers=1))
    history = result.history
    assert (history["unit"], history["kind"], history["table"]["unit"]) == ("instructions", "simulated", "instructions")
    (iteration,) = history["iterations"]
    assert iteration["predicted"] == pytest.approx(iteration["measured"], rel=0.03)
    assert iteration["measured"] < 0.95 * history["initial_measured"]
    assert not any(counts.macs(model.graph).float for model in place.asked)


def test_a_time_is_refused_where_instructions_are_counted(tmp_path: Path, network: keras.Model) -> None:
    place = ScriptedTarget(instructions, kind="simulated", unit="instructions")
    with pytest.raises(InputError, match=r"latency=12: scripted tells instructions, not times; .*latency=0\.7x"):
        prune_in(tmp_path, network, blobs(), place, "latency=12ms", PruneOptions(SETTINGS, workers=1))
    assert not list(tmp_path.iterdir())


def test_layers_alone_cost_what_they_cost_in_the_network(network: keras.Model) -> None:
    """Counted on a simulated core: what a latency table predicts is what the whole network will be measured at."""
    core = target("cortex-m4")
    whole = core.profile(deployment(network, blobs())(network))
    in_network = sorted(op.value for op in whole.ops if op.op in LAYERS)
    layers = [
        replace(layer, precision="int8") if layer.precision == "float" else layer for layer in couple(network).layers()
    ]
    assert sorted(measure_layers(core, layers)) == pytest.approx(in_network, rel=0.01)
