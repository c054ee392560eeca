"""The training loop: it learns, reports, keeps constraints, and refuses what cannot work."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebnn._tensorflow import keras
from edgebnn.errors import InputError
from edgebnn.graph.kept_metadata import kept
from edgebnn.graph.metadata import ImageFormat
from edgebnn.training import checkpoints
from edgebnn.training.evaluation import evaluate, inference
from edgebnn.training.history import Progress
from edgebnn.training.loop import TrainingError, train
from edgebnn.training.method import Method, cross_entropy
from edgebnn.training.recipe import Recipe
from tests.support.images import blobs
from tests.support.training_run import tiny_model

RECIPE = Recipe(2, batch=32, learning_rate=0.02, hold_out=32)


@pytest.fixture(autouse=True)
def _seed() -> None:
    keras.utils.set_random_seed(0)


def test_it_learns_reports_and_saves_a_model_that_loads(tmp_path: Path) -> None:
    events: list[Progress] = []
    model, data = tiny_model(dropout=0.0), blobs()
    history = train(model, data, RECIPE, tmp_path / "run", events.append)

    assert history.test_accuracy > 0.9
    assert [epoch.test_accuracy is None for epoch in history.epochs] == [True, False]
    assert all(epoch.validation_accuracy is not None and epoch.kind == "measured" for epoch in history.epochs)
    assert history.epochs[1].loss < history.epochs[0].loss
    assert [(e.epoch, e.step, e.finished is not None) for e in events] == [
        (epoch, min(step, 5), step > 5) for epoch in (1, 2) for step in range(1, 7)
    ]
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2]
    assert lines[1]["test_accuracy"] == history.test_accuracy

    facts = kept(history.model_path)
    assert facts is not None
    assert (facts.labels, facts.image) == (data.classes, ImageFormat((127.5,), (127.5,), "grey"))
    assert f"test accuracy {history.test_accuracy:.2%} in Keras, {len(data.test)} images" in facts.description

    loaded = keras.models.load_model(history.model_path)
    np.testing.assert_array_equal(inference(loaded)(data.test.images), inference(model)(data.test.images))
    assert evaluate(inference(loaded), data.test) == (lines[1]["test_loss"], lines[1]["test_accuracy"])


def test_latent_weights_stay_clipped(tmp_path: Path) -> None:
    model = tiny_model()
    train(model, blobs(), replace(RECIPE, epochs=1, learning_rate=1.0, hold_out=0), tmp_path)
    kernel = model.get_layer("binary").kernel.numpy()
    assert np.abs(kernel).max() == 1.0


def test_a_finished_run_is_loaded_and_not_trained_again(tmp_path: Path) -> None:
    recipe = replace(RECIPE, epochs=1)
    first = tiny_model()
    done = train(first, blobs(), recipe, tmp_path)
    (tmp_path / "model.keras").unlink()
    events: list[Progress] = []
    again = tiny_model()
    history = train(again, blobs(), recipe, tmp_path, events.append)
    assert not events
    assert history.epochs == done.epochs
    assert history.resumed_from == 5
    assert (tmp_path / "model.keras").exists()
    for mine, theirs in zip(again.get_weights(), first.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_images_are_resized_to_what_the_model_takes(tmp_path: Path) -> None:
    history = train(tiny_model(size=12), blobs(), replace(RECIPE, epochs=1), tmp_path)
    assert history.epochs[0].test_accuracy is not None


def test_a_part_of_the_images_is_chosen_from_all_of_them(tmp_path: Path) -> None:
    by_class = blobs()
    order = np.argsort(by_class.train.labels, kind="stable")  # as in an image folder
    by_class = replace(by_class, train=by_class.train.take(order))
    steps: list[int] = []
    recipe = replace(RECIPE, epochs=4, batch=16, train_images=64)
    history = train(tiny_model(dropout=0.0), by_class, recipe, tmp_path, lambda event: steps.append(event.steps))
    assert set(steps) == {4}
    assert history.test_accuracy > 0.9


def test_a_diverging_training_stops_and_keeps_the_last_good_checkpoint(tmp_path: Path) -> None:
    model = tiny_model()
    seen: list[int] = []

    def poison(event: Progress) -> None:
        seen.append(event.step)
        if (event.epoch, event.step) == (2, 3):
            model.get_layer("first").kernel.assign_add(np.full((3, 3, 1, 8), np.nan, np.float32))

    with pytest.raises(
        TrainingError, match=r"the loss is not finite after step 4 of epoch 2; .*checkpoint\.npz"
    ) as caught:
        train(model, blobs(), RECIPE, tmp_path, poison)
    assert "\n" not in str(caught.value)
    with np.load(tmp_path / "checkpoint.npz") as content:
        assert len(json.loads(str(content["state"]))["finished"]) == 1
        assert all(np.isfinite(content[name]).all() for name in content if name != "state")


def test_weights_that_diverge_in_the_last_step_are_not_kept(tmp_path: Path) -> None:
    model = tiny_model()

    def poison(event: Progress) -> None:
        if event.step == event.steps:
            model.get_layer("first").kernel.assign(np.full((3, 3, 1, 8), np.inf, np.float32))

    with pytest.raises(
        TrainingError, match=r"a weight is not finite after step 5 of epoch 1; lower the learning rate$"
    ):
        train(model, blobs(), RECIPE, tmp_path, poison)
    assert not (tmp_path / "checkpoint.npz").exists()


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run_dir = tmp_path_factory.mktemp("finished")
    train(tiny_model(), blobs(), replace(RECIPE, epochs=1), run_dir)
    return run_dir


def test_a_folder_of_another_kind_of_run_is_called_that(tmp_path: Path) -> None:
    checkpoints.claim_folder(tmp_path, "pruning", {"budget": {"amount": 0.5}})
    with pytest.raises(InputError, match=r"holds a run of another kind than this training, .*--run-dir"):
        train(tiny_model(), blobs(), RECIPE, tmp_path)


@pytest.mark.parametrize(
    ("model", "data", "changes", "message"),
    [
        ({}, {}, {"epochs": 3, "batch": 16}, "recipe epochs: 1 there, 3 here; recipe batch: 32 there, 16 here"),
        ({"size": 9}, {}, {}, "model layers: "),
        ({}, {"seed": 1}, {}, "data train: 192 images, .* there, 192 images, .* here"),
    ],
)
def test_a_folder_of_another_training_is_refused(
    finished_run: Path, model: dict[str, Any], data: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    before = {path.name: path.read_bytes() for path in finished_run.iterdir()}
    with pytest.raises(InputError, match=f"holds another training .*{message}"):
        train(tiny_model(**model), blobs(**data), replace(replace(RECIPE, epochs=1), **changes), finished_run)
    assert {path.name: path.read_bytes() for path in finished_run.iterdir()} == before


@pytest.mark.parametrize("name", ["run.json", "checkpoint.npz"])
def test_a_damaged_run_folder_is_refused_by_name(finished_run: Path, tmp_path: Path, name: str) -> None:
    for path in finished_run.iterdir():
        content = path.read_bytes()
        (tmp_path / path.name).write_bytes(content[: len(content) // 2] if path.name == name else content)
    with pytest.raises(InputError, match=f"{name}: is damaged"):
        train(tiny_model(), blobs(), replace(RECIPE, epochs=1), tmp_path)


def test_models_and_data_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"tiny gives \(3,\), but blobs has 2 classes"):
        train(tiny_model(classes=3), blobs(), RECIPE, tmp_path)
    colour = blobs()
    rgb = replace(
        colour, train=replace(colour.train, images=np.repeat(colour.train.images, 3, axis=3)), test=colour.test
    )
    with pytest.raises(InputError, match="images of blobs have 3 channels"):
        train(tiny_model(), rgb, RECIPE, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be used as a run folder"):
        train(tiny_model(), blobs(), RECIPE, tmp_path / "file")


def test_a_method_is_told_where_the_run_stands_and_makes_what_is_saved(tmp_path: Path) -> None:
    shares: list[float] = []
    model, data = tiny_model(dropout=0.0), blobs(train=96, test=16)
    method = Method(
        loss=lambda images, labels, logits: 0.5 * cross_entropy(images, labels, logits),
        before_step=shares.append,
        result=lambda trained: keras.Model(trained.inputs, keras.layers.Softmax(name="softmax")(trained.outputs[0])),
        identity={"kind": "half"},
    )
    recipe = Recipe(2, batch=32, learning_rate=0.0)
    history = train(model, data, recipe, tmp_path / "half", method=method)
    assert shares == pytest.approx([0, 1 / 6, 2 / 6, 1 / 2, 1 / 2, 4 / 6, 5 / 6, 1])
    assert keras.models.load_model(history.model_path, compile=False).layers[-1].name == "softmax"
    plain = train(model, data, recipe, tmp_path / "plain")
    # The statistics of batch norm move, but a training step is judged on its own batch.
    assert history.epochs[0].loss == pytest.approx(plain.epochs[0].loss / 2, rel=1e-5)
    with pytest.raises(InputError, match="another kind than this training"):
        train(model, data, recipe, tmp_path / "half")


def test_a_plain_training_is_known_by_model_data_and_recipe_alone(tmp_path: Path) -> None:
    """So that folders written before there were methods go on."""
    train(tiny_model(), blobs(train=32, test=16), Recipe(1, batch=32), tmp_path)
    assert set(json.loads((tmp_path / "run.json").read_text())) == {"model", "data", "recipe"}
