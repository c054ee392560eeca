"""In which unit ``edgebnn prune`` has layers measured: the option, and what it cannot be given with."""

from __future__ import annotations

import click
import pytest

from edgebnn.cli.options import find_targets
from edgebnn.errors import InputError
from edgebnn.reports.pruning import report
from edgebnn.targets.qemu_user import MACHINES, PACKAGE, is_emulated
from edgebnn.workflows.measuring import measure_layers
from tests.end_to_end.test_cli import refused
from tests.unit.workflows.test_layer_graph import conv


@pytest.mark.slow
def test_layers_are_counted_on_one_emulated_device_or_two_and_always_the_same() -> None:
    if not is_emulated(MACHINES["aarch64"]):
        pytest.skip(f"apt-get install {PACKAGE}")
    layers = [conv("w1a1", out_channels=channels) for channels in (32, 64)]
    with click.Context(click.Command("prune")):
        one, two = (find_targets(("qemu-aarch64",) * count, "instructions", 0) for count in (1, 2))
        assert [(target.kind, target.unit) for target in (one, two)] == [("emulated", "instructions")] * 2
        counted = measure_layers(one, layers)
        assert measure_layers(two, layers) == counted
    assert counted[0] < counted[1]
    assert all(value == int(value) for value in counted)


def test_a_unit_is_of_latency_and_of_what_the_target_tells() -> None:
    command = ("prune", "nothing.keras", "--data", "mnist", "-o", "out.keras")
    given = ("--unit", "instructions", "--budget", "macs=0.9x")
    assert "play no part in it; ask for latency" in refused(*command, *given)
    with click.Context(click.Command("prune")), pytest.raises(InputError, match="host: tells ms; only simulated cores"):
        find_targets(("host",), "instructions", 0)


@pytest.mark.parametrize("kind", ["measured", "emulated", "simulated"])
def test_figures_of_a_whole_network_are_called_what_they_are(kind: str) -> None:
    iteration = {
        "iteration": 1,
        "layer": "a",
        "widths": {"a": 8},
        "predicted": 60.0,
        "measured": 61.0,
        "accuracy": 0.5,
        "proposals": [],
    }
    accuracy = {"trained": 0.6, "pruned": 0.4, "short_term": 0.5, "long_term": None}
    history = {
        **{"resource": "latency", "unit": "instructions", "kind": kind, "initial": 100.0, "initial_measured": 101.0},
        **{"budget": 65.0, "met": True, "held_out_accuracy": 0.6, "initial_widths": {"a": 16}, "accuracy": accuracy},
        **{"iterations": [iteration], "final": {"predicted": 60.0, "measured": 61.0}},
    }
    table = report(history).table
    assert f"{kind} again, whole: 61 instructions" in table
    assert ("measured" in table) == (kind == "measured")
