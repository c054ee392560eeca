"""Retraining: stages on the same test set, resumable, for any graph; what cannot be retrained is refused."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebnn._tensorflow import keras
from edgebnn.errors import InputError
from edgebnn.models import build
from edgebnn.training import recipes
from edgebnn.training.binarization import binarize, has_binary_weights
from edgebnn.training.evaluation import evaluate, inference
from edgebnn.training.loop import train
from edgebnn.training.plans import Descent, Distillation, Plan
from edgebnn.training.recipe import Recipe
from edgebnn.training.retraining import Deployment, RetrainingTask, Stage, retrain
from tests.support.images import blobs
from tests.support.training_run import tiny_float, tiny_model

DATA = blobs(train=192, test=50)
PLAN = Plan("w1a8", Recipe(2, batch=32, learning_rate=0.01), Descent(0.1, 0.5), Distillation())


@dataclass
class Bench:
    """A deployment that keeps what it is given: the accuracy of a "file" is its Keras model's."""

    written: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, bool]] = field(default_factory=list)

    @property
    def deployment(self) -> Deployment:
        return Deployment(self._write, self._accuracy)

    def _write(self, model: Any, path: Path) -> None:
        self.written[path.name] = model
        path.write_bytes(b"file")

    def _accuracy(self, path: Path, exact: bool) -> float:
        self.asked.append((path.name, exact))
        return accuracy(self.written[path.name])


def accuracy(model: Any) -> float:
    return evaluate(inference(model), DATA.test)[1]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A float network that knows the data."""
    keras.utils.set_random_seed(0)
    network = tiny_float()
    train(network, DATA, Recipe(4, batch=32, learning_rate=0.02), tmp_path_factory.mktemp("parent"))
    return network


def test_every_stage_is_measured_on_what_it_names(model: Any, tmp_path: Path) -> None:
    before = [weights.copy() for weights in model.get_weights()]
    bench, told = Bench(), list[Stage]()
    result = retrain(RetrainingTask(model, DATA, PLAN), tmp_path / "run", bench.deployment, tell=told.append)

    assert [stage.name for stage in result.stages] == ["float", "post-training", "retrained", "converted", "deployed"]
    assert told == list(result.stages)
    assert {stage.samples for stage in told} == {50}
    assert bench.asked == [("post-training.tflite", False), ("model.tflite", True), ("model.tflite", False)]
    assert result.accuracy("float") == accuracy(model) > 0.9
    untrained, trained = bench.written["post-training.tflite"], bench.written["model.tflite"]
    assert [layer.name for layer in untrained.layers if has_binary_weights(layer)] == ["second"]
    np.testing.assert_array_equal(untrained.get_layer("second").kernel.latent_variable, before_of(model, "second"))
    assert result.accuracy("post-training") == accuracy(untrained)
    assert result.accuracy("retrained") == accuracy(trained) == accuracy(loaded(result.model)) > 0.9
    kernel = trained.get_layer("second").kernel
    signs = np.sign(trained.get_layer("second").kernel_quantizer(kernel.latent_variable))
    assert not np.array_equal(signs, np.sign(before_of(model, "second"))), "no weight has changed its sign"
    for weights, known in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weights, known)


def before_of(model: Any, layer: str) -> Any:
    return model.get_layer(layer).kernel.numpy()


def loaded(path: Path) -> Any:
    return keras.models.load_model(path, compile=False)


def test_what_is_done_is_not_done_again_and_no_other_run_takes_its_place(model: Any, tmp_path: Path) -> None:
    def interrupted(path: Path, exact: bool) -> float:
        if exact:
            raise KeyboardInterrupt
        return 0.5

    bench = Bench()
    with pytest.raises(KeyboardInterrupt):
        retrain(RetrainingTask(model, DATA, PLAN), tmp_path, Deployment(bench.deployment.write, interrupted))
    steps: list[Any] = []
    result = retrain(RetrainingTask(model, DATA, PLAN), tmp_path, bench.deployment, progress=steps.append)
    assert steps == []
    assert result.accuracy("post-training") == 0.5
    assert bench.asked == [("model.tflite", True), ("model.tflite", False)]

    nothing = Deployment(lambda *_: pytest.fail("written again"), lambda *_: pytest.fail("measured again"))
    assert retrain(RetrainingTask(model, DATA, PLAN), tmp_path, nothing) == result
    with pytest.raises(InputError, match=r"another retraining.*plan"):
        retrain(RetrainingTask(model, DATA, replace(PLAN, descent=None)), tmp_path, nothing)
    other = keras.models.clone_model(model)
    with pytest.raises(InputError, match=r"another retraining.*start"):
        retrain(RetrainingTask(other, DATA, PLAN), tmp_path, nothing)
    (tmp_path / "stages.json").write_text("[{")
    with pytest.raises(InputError, match=r"stages\.json: is damaged"):
        retrain(RetrainingTask(model, DATA, PLAN), tmp_path, nothing)


def test_a_w1a8_network_of_other_widths_is_trained_on_with_a_teacher(model: Any, tmp_path: Path) -> None:
    bench = Bench()
    start = binarize(tiny_float(width=5))
    result = retrain(RetrainingTask(start, DATA, PLAN, model), tmp_path, bench.deployment)
    assert [stage.name for stage in result.stages] == ["given", "retrained", "converted", "deployed"]
    assert bench.written["model.tflite"].get_layer("second").filters == 5
    assert result.accuracy("given") == accuracy(start)
    assert result.accuracy("retrained") > 0.9


@pytest.mark.parametrize("to", ["w1a8", "int8"])
def test_what_was_retrained_can_be_retrained_again(to: Any, model: Any, tmp_path: Path) -> None:
    plan = replace(PLAN, to=to, descent=PLAN.descent if to == "w1a8" else None)
    first = loaded(retrain(RetrainingTask(model, DATA, plan), tmp_path / "first", Bench().deployment).model)
    second = retrain(RetrainingTask(first, DATA, plan, model), tmp_path / "second", Bench().deployment)
    assert second.stages[0].accuracy == accuracy(first)
    assert second.accuracy("retrained") > 0.9


def test_int8_keeps_weights_of_many_values(model: Any, tmp_path: Path) -> None:
    bench = Bench()
    result = retrain(RetrainingTask(model, DATA, replace(PLAN, to="int8")), tmp_path, bench.deployment)
    assert bench.written["post-training.tflite"] is model
    assert not any(map(has_binary_weights, bench.written["model.tflite"].layers))
    assert result.accuracy("retrained") >= result.accuracy("float") - 0.05


def test_a_w1a1_network_is_trained_on_as_it_is(tmp_path: Path) -> None:
    bench = Bench()
    result = retrain(RetrainingTask(tiny_model(), DATA, replace(PLAN, to="w1a1")), tmp_path, bench.deployment)
    assert [stage.name for stage in result.stages] == ["given", "retrained", "converted", "deployed"]
    assert [type(layer) for layer in bench.written["model.tflite"].layers[1:]] == [
        type(layer) for layer in tiny_model().layers
    ]


@pytest.mark.parametrize(
    ("make", "to", "words"),
    [
        (tiny_float, "w1a1", "edgebnn train --precision w1a1"),
        (tiny_model, "w1a8", "binary feature maps"),
        (lambda: binarize(tiny_float()), "int8", "binary weights"),
        (lambda: tiny_float(classes=3), "w1a8", "2 classes"),
        (
            lambda: keras.Sequential(
                [keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(2)], name="linear"
            ),
            "w1a8",
            "no layer to be binarized",
        ),
    ],
)
def test_what_cannot_be_retrained_is_refused_at_once(make: Any, to: Any, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words):
        retrain(RetrainingTask(make(), DATA, replace(PLAN, to=to)), tmp_path / "run", Bench().deployment)
    assert not (tmp_path / "run").exists()


def test_the_networks_of_the_study_and_of_the_demo_have_plans() -> None:
    for dataset in ("mnist", "cifar10", "/some/folder"):
        assert recipes.retraining("w1a8", dataset).descent is not None
        assert recipes.retraining("int8", dataset).descent is None
    assert build(recipes.DEMO_PARENT.model, widths=recipes.DEMO_PARENT.widths, precision=recipes.DEMO_PARENT.precision)
