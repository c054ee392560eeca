"""What :func:`edgebnn.workflows.retrain.retrain` refuses before it does anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgebnn.errors import InputError

pytest.importorskip("tensorflow", reason="retraining needs the training extra")

from edgebnn.workflows.retrain import retrain


def test_a_file_that_is_not_called_a_model_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model: a converted model is a \.tflite file; give a name that ends in"):
        retrain("absent.keras", "absent", "w1a8", output=tmp_path / "model")
    assert list(tmp_path.iterdir()) == []
