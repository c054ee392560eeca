"""LCE's interpreter and ours under its interface, side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebnn.compat.lce import Interpreter
from edgebnn.errors import InputError, ModelFormatError
from tests.support.topologies import images, lce_bytes

ATTRIBUTES = [f"{side}_{what}" for side in ("input", "output") for what in ("types", "shapes", "scales", "zero_points")]


@pytest.fixture(scope="module", params=["packed_chain", "residual_float"])
def pair(request: pytest.FixtureRequest) -> tuple[Any, Interpreter]:
    from larq_compute_engine.tflite.python.interpreter import Interpreter as LceInterpreter

    content = lce_bytes(request.param)
    return LceInterpreter(content), Interpreter(content)


def test_attributes_are_equal(pair: tuple[Any, Interpreter]) -> None:
    theirs, ours = pair
    for name in ATTRIBUTES:
        assert getattr(ours, name) == getattr(theirs, name), name


def forms(x: np.ndarray) -> dict[str, Any]:
    """Everything that predict takes. Iterators are used up, so each call needs its own."""
    return {
        "array": x,
        "list": [x],
        "iterator over arrays": iter(x),
        "iterator over lists": iter([[sample] for sample in x]),
        "generator": (sample for sample in x),
    }


@pytest.mark.parametrize("form", forms(images(1)))
def test_predictions_are_equal(pair: tuple[Any, Interpreter], form: str) -> None:
    theirs, ours = (interpreter.predict(forms(images(5))[form]) for interpreter in pair)
    assert isinstance(ours, np.ndarray)
    assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * float(np.ptp(theirs)))


def test_progress_goes_to_standard_error(pair: tuple[Any, Interpreter], capsys: pytest.CaptureFixture[str]) -> None:
    quiet = pair[1].predict(images(3))
    assert capsys.readouterr().err == ""
    np.testing.assert_array_equal(pair[1].predict(images(3), verbose=1), quiet)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "predict" in captured.err


def test_every_argument_of_lces_constructor_is_taken() -> None:
    content = lce_bytes("grouped")
    expected = Interpreter(content).predict(images(2))
    for chosen in ({"use_reference_bconv": True}, {"use_indirect_bgemm": True}, {"num_threads": 2}):
        np.testing.assert_array_equal(Interpreter(content, **chosen).predict(images(2)), expected)
    np.testing.assert_allclose(
        Interpreter(content, use_xnnpack=True).predict(images(2)), expected, rtol=1e-3, atol=1e-3
    )
    assert Interpreter(flatbuffer_model=content).input_shapes == [(1, 13, 13, 3)]


def test_unfit_samples_are_refused(pair: tuple[Any, Interpreter]) -> None:
    ours = pair[1]
    with pytest.raises(InputError, match=r"expects samples of float32 and shape \(13, 13, 3\), got float64"):
        ours.predict(images(1).astype(np.float64))
    with pytest.raises(InputError, match=r"got float32 and \(5, 13, 3\)"):
        ours.predict(images(1)[:, :5])
    with pytest.raises(InputError, match="has 1 inputs, a sample has 2"):
        ours.predict([images(1), images(1)])
    with pytest.raises(InputError, match="no samples"):
        ours.predict(images(0))
    with pytest.raises(ValueError, match="not a single number"):
        ours.predict(np.array(5))
    with pytest.raises(ValueError, match="not int"):
        ours.predict(5)  # type: ignore[arg-type]
    with pytest.raises(ModelFormatError):
        Interpreter(b"no model")


def test_numbers_and_strings_are_samples_too() -> None:
    interpreter = Interpreter((Path(__file__).parents[2] / "data" / "runtime" / "texts.tflite").read_bytes())
    assert interpreter.input_shapes == [(1, 3), (), (1,)]
    x, gains, words = np.eye(3, dtype=np.float32), np.float32([1, 2, 3]), np.array(["a", "bb", "c"])
    for given in ([x, gains, words], ([x[i], gains[i], words[i]] for i in range(3))):
        label, scaled, word = interpreter.predict(given)
        assert label.tolist() == [b"cat", b"dog", b"bird"]
        np.testing.assert_array_equal(scaled, x * gains[:, None])
        assert word.tolist() == [b"a", b"bb", b"c"]
    with pytest.raises(InputError, match=r"'word' expects samples of strings and shape \(\), got float32"):
        interpreter.predict([x, gains, gains])
    with pytest.raises(InputError, match=r"different numbers of samples \[3, 2, 3\]"):
        interpreter.predict([x, gains[:2], words])
