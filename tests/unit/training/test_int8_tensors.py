"""Networks of many kinds, retrained for one step: what the file computes is what was simulated, in int8 or said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgebnn._tensorflow import keras, tf
from edgebnn.arithmetic.quantization import dequantize, quantize
from edgebnn.converters.convert import convert
from edgebnn.converters.read_tflite import read
from edgebnn.errors import InputError
from edgebnn.graph.batches import run_all
from edgebnn.training.expansion import expanded
from edgebnn.training.quantization import frozen, quantize_aware

L = keras.layers


def conv(**options: Any) -> Any:
    return L.Conv2D(8, 3, padding="same", **options)


def twice(x: Any) -> Any:
    """The same layers on maps of two sizes."""
    layers = (conv(), L.BatchNormalization(), L.ReLU())
    for _ in range(2):
        for layer in layers:
            x = layer(x)
        x = L.MaxPooling2D()(x)
    return x


PARTS: dict[str, Callable[[Any], Any]] = {
    "operators": lambda x: (-x + 0.5 * conv()(x))[:, 1:9, 1:9] ** 2,
    "dilated and bounded": lambda x: L.ReLU(1.0)(L.BatchNormalization()(conv(dilation_rate=2)(x))),
    "relu behind add": lambda x: L.ReLU(2.5)(L.Add()([x, conv()(x)])),
    "separable and tanh": lambda x: L.SeparableConv2D(8, 3, activation="tanh")(x),
    "dense on maps": lambda x: L.Dense(6, activation="sigmoid")(x),
    "concatenated gate": lambda x: conv()(L.Concatenate()([conv(activation="sigmoid")(x), x])),
    "batch norm behind concatenate": lambda x: L.ReLU()(L.BatchNormalization()(L.Concatenate()([x, conv()(x)]))),
    "pools": lambda x: L.ReLU()(L.MaxPooling2D()(L.ReLU()(L.AveragePooling2D()(conv()(x))))),
    "average": lambda x: L.Average()([x, conv()(x), conv()(x)]),
    "lambda": lambda x: L.Lambda(lambda y: tf.nn.relu(y - 0.5) * 2.0)(x),
    "nested": lambda x: keras.Sequential([L.Input((10, 10, 8)), conv(activation="hard_sigmoid")])(x),
    "vanishing": lambda x: L.SpatialDropout2D(0.2)(
        L.GaussianNoise(0.1)(L.RandomFlip()(L.AlphaDropout(0.1)(conv()(x))))
    ),
    "upsampled": lambda x: L.Cropping2D()(L.UpSampling2D(interpolation="bilinear")(L.ZeroPadding2D()(conv()(x)))),
    "twice": twice,
    "layer norm": lambda x: L.LayerNormalization(name="norm")(x),
}


def network(part: Callable[[Any], Any]) -> Any:
    keras.utils.set_random_seed(1)
    image = L.Input((10, 10, 3))
    x = L.ReLU()(L.BatchNormalization()(L.Conv2D(8, 3, padding="same")(image)))
    model = keras.Model(image, L.Dense(4)(L.GlobalAveragePooling2D()(part(x))))
    rng = np.random.default_rng(2)
    for layer in model.submodules:
        if isinstance(layer, L.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.get_weights()])
    return model


@pytest.mark.parametrize("name", PARTS)
def test_the_file_is_int8_or_says_what_is_not_and_computes_what_was_simulated(name: str, tmp_path: Path) -> None:
    model = network(PARTS[name])
    batch = np.random.default_rng(0).uniform(-1, 1, (16, 10, 10, 3)).astype(np.float32)
    np.testing.assert_allclose(expanded(model)(batch), model(batch), atol=1e-5)
    student = quantize_aware(model)
    student(batch, training=True)
    result = convert(frozen(student), tmp_path / "model.tflite", "int8")
    floats = {finding.layer for finding in result.findings if finding.rule == "stays-float"}
    assert floats == ({"norm"} if name == "layer norm" else set())
    assert not [finding for finding in result.findings if finding.level == "error"]

    graph = read(result.path)
    source, target = (graph.tensors[index].quantization for index in (graph.inputs[0], graph.outputs[0]))
    assert source is not None
    assert target is not None
    (steps,) = run_all(graph, [quantize(batch, source.scale, source.zero_point, np.dtype(np.int8))])
    mismatch = np.abs(dequantize(steps, target.scale, target.zero_point) - student(batch, training=False).numpy())
    assert mismatch.mean() < target.scale[0]
    assert mismatch.max() < 4 * target.scale[0]


def test_a_lambda_that_cannot_be_followed_is_refused_by_its_name() -> None:
    def own(y: Any, training: Any = None) -> Any:
        return y * 2.0 if training else y

    model = network(L.Lambda(own, name="own"))
    with pytest.raises(InputError, match=r"layer 'own' \(Lambda\)"):
        expanded(model)
