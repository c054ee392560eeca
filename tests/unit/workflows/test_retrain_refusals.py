"""What :func:`edgebnn.workflows.retrain.retrain` refuses before it does anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebnn.errors import InputError

pytest.importorskip("tensorflow", reason="retraining needs the training extra")

from edgebnn._tensorflow import keras
from edgebnn.training.loop import check_fit
from edgebnn.workflows.retrain import retrain
from tests.support.images import blobs


def test_a_file_that_is_not_called_a_model_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model: a converted model is a \.tflite file; give a name that ends in"):
        retrain("absent.keras", "absent", "w1a8", output=tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_models_of_a_fixed_batch_or_of_no_known_inputs_are_refused_with_the_remedy() -> None:
    image = keras.Input((8, 8, 1), batch_size=4)
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.Flatten()(image)))
    with pytest.raises(InputError, match="takes just 4 images at a time: build it without batch_size"):
        check_fit(model, blobs())
    with pytest.raises(InputError, match="an Input layer"):
        check_fit(keras.Sequential([keras.layers.Dense(2)]), blobs())
