"""Times of layers and networks: the least of interleaved rounds, from any target."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from edgebnn.graph.types import Array
from edgebnn.pruning.channels.layers import LayerShape
from edgebnn.runtime.profile import INTERPRETER, OpProfile, Profile
from edgebnn.targets import target
from edgebnn.targets.interface import Target
from edgebnn.targets.model_file import ModelFile, Session, open_model
from edgebnn.workflows import measuring
from edgebnn.workflows.measuring import kind_and_unit, measure_layers, measure_models
from tests.unit.workflows.test_layer_graph import conv, layer_graph

Times = Callable[[ModelFile], Sequence[float]]


class ScriptedTarget(Target):
    """Tells the times that a function gives for a model, one for each op, and remembers whom it was asked about."""

    def __init__(self, times: Times, kind: str = "measured", unit: str = "ms") -> None:
        self.name, self.device = "scripted", "a script"
        self._times, self._kind, self._unit = times, kind, unit
        self.asked: list[ModelFile] = []

    def open(self, model: ModelFile, *, threads: int = 1, exact: bool = False, trace: bool = False) -> Session:
        raise NotImplementedError

    def measure(self, model: ModelFile, inputs: Sequence[Array], *, threads: int = 1, repeats: int = 30) -> Profile:
        self.asked.append(model)
        times = self._times(model)
        ops = [OpProfile(i, "OP", "", time, 0.0, members=(i,)) for i, time in enumerate(times)]
        idle = OpProfile(-1, INTERPRETER, "", 100.0, 0.0)
        return Profile(self._kind, self._unit, sum(times) + 100, (*ops, idle))


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "LAYER_SECONDS", 0.0)
    monkeypatch.setattr(measuring, "LAYER_RUNS", 0)


def file(layer: LayerShape) -> ModelFile:
    return open_model(layer_graph(layer))


def test_each_op_counts_with_its_least_time() -> None:
    rounds: Iterator[Sequence[float]] = iter([(5, 1), (2, 9), (3, 3), *[(4, 4)] * 99])
    place = ScriptedTarget(lambda model: next(rounds))
    assert measure_models(place, [file(conv("w1a1"))], seconds=0) == (3.0,)
    assert 2 + measuring.SETTLED_ROUNDS <= len(place.asked) < 20


def test_models_take_turns() -> None:
    place = ScriptedTarget(lambda model: (1.0,))
    models = [file(conv()), file(conv(out_channels=8))]
    assert measure_models(place, models, seconds=0) == (1.0, 1.0)
    assert place.asked[:4] == [*models, *models]


def test_simulated_times_are_asked_for_once() -> None:
    place = ScriptedTarget(lambda model: (7.0,), kind="simulated")
    assert measure_models(place, [file(conv())]) == (7.0,)
    assert len(place.asked) == 1


def test_a_core_that_is_simulated_tells_what_it_counts() -> None:
    place = ScriptedTarget(lambda model: (1000.0, 234.0), kind="simulated", unit="instructions")
    assert measure_models(place, [file(conv())]) == (1234.0,)
    assert kind_and_unit(place, file(conv())) == ("simulated", "instructions")


def test_layers_of_one_shape_are_measured_once() -> None:
    place = ScriptedTarget(lambda model: (float(len(model.content)),))
    layers = [conv(), replace(conv(), name="same again"), conv(out_channels=8)]
    first, second, third = measure_layers(place, layers)
    assert first == second > third
    assert len({id(model) for model in place.asked}) == 2


def test_large_layers_are_not_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "BATCH_BYTES", 4 * conv().weights)
    place = ScriptedTarget(lambda model: (1.0,))
    measure_layers(place, [conv(), conv(out_channels=16), conv(out_channels=8)])
    order = list(dict.fromkeys(id(model) for model in place.asked))
    first_seen_again = [id(model) for model in place.asked].index(order[1])
    assert all(id(model) == order[0] for model in place.asked[:first_seen_again])


def test_the_host_tells_times() -> None:
    small, large = measure_layers(target("host"), [conv(), conv(input_size=(64, 64), output_size=(64, 64))])
    assert 0 < small < large
