"""Pruning to a budget of energy, estimated by the dataflow model of a machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebnn._tensorflow import keras
from edgebnn.dataflow import hardware
from edgebnn.dataflow.plan import energy_of
from edgebnn.errors import InputError
from edgebnn.models.resnet import resnet
from edgebnn.pruning.channels.coupling import couple
from edgebnn.pruning.settings import Settings
from edgebnn.targets import target
from edgebnn.workflows.narrower_file import NarrowerFile
from edgebnn.workflows.prune import PruneOptions, deployment, prune_in
from tests.support.images import blobs

SETTINGS = Settings(ratio=0.3, iterations=1, steps=1, batch=16, recalibration=1, hold_out=32)


@pytest.fixture(scope="module")
def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    return resnet(8, widths=(16, 16, 16), classes=2, precision="float", input_shape=(8, 8, 1))


def test_predicted_energy_is_that_of_the_converted_network(tmp_path: Path, network: keras.Model) -> None:
    options = PruneOptions(SETTINGS, workers=1, hardware="pi4")
    result = prune_in(tmp_path / "run", network, blobs(), target("host"), "energy=0.9x", options)
    history = result.history
    assert (history["resource"], history["kind"], history["unit"]) == ("energy", "estimated", "pJ")
    assert history["hardware"] == hardware.load("pi4").name
    assert f"estimated for {hardware.load('pi4').name}" in (tmp_path / "run" / "history.txt").read_text()
    (iteration,) = history["iterations"]
    assert iteration["predicted"] == pytest.approx(iteration["measured"], rel=0.02)
    assert iteration["predicted"] < history["initial"]
    with pytest.raises(InputError, match="other"):
        prune_in(tmp_path / "run", network, blobs(), target("host"), "energy=0.9x", PruneOptions(SETTINGS, workers=1))


def test_energy_falls_with_the_widths(network: keras.Model) -> None:
    energy = energy_of(hardware.load("cortex-m7"))
    plan = couple(network)
    file = NarrowerFile(deployment(network, blobs())(network).graph, plan)
    group = next(iter(plan.prunable)).name
    whole = energy(file.at(plan.widths))
    assert energy(file.at({**plan.widths, group: 8})) < whole


def test_a_machine_whose_energy_is_not_known_must_be_named(tmp_path: Path, network: keras.Model) -> None:
    place = target("host")
    place.name = "ssh://pi@somewhere"
    with pytest.raises(InputError, match="nothing is known of its energy; say which machine is meant with --hardware"):
        prune_in(tmp_path / "run", network, blobs(), place, "energy=0.9x", PruneOptions(SETTINGS, workers=1))


@pytest.mark.parametrize("budget", ["macs=0.9x", "latency=0.9x"])
def test_a_machine_named_without_need_is_refused(tmp_path: Path, network: keras.Model, budget: str) -> None:
    options = PruneOptions(SETTINGS, workers=1, hardware="pi4")
    with pytest.raises(InputError, match="hardware pi4 plays no part in it; ask for energy"):
        prune_in(tmp_path / "run", network, blobs(), target("host"), budget, options)


@pytest.mark.parametrize(
    ("machine", "before", "after", "message"),
    [
        ("eyeriss", "weights = 448", "weights = 1", "not even its smallest tile fits RF"),
        ("cortex-m0plus", "capacity = 2097152", "capacity = 64", "do not fit flash of"),
    ],
)
def test_a_layer_that_does_not_fit_is_told_before_any_training(
    tmp_path: Path, network: keras.Model, machine: str, before: str, after: str, message: str
) -> None:
    small = tmp_path / "small.toml"
    text = (Path(hardware.__file__).parent / "hardware" / f"{machine}.toml").read_text()
    assert before in text
    small.write_text(text.replace(before, after))
    told: list[object] = []
    options = PruneOptions(SETTINGS, workers=1, hardware=str(small), progress=told.append)
    with pytest.raises(InputError, match=message):
        prune_in(tmp_path / "run", network, blobs(), target("host"), "energy=0.9x", options)
    assert not told
    assert not (tmp_path / "run").exists()
