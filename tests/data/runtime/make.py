"""Makes the files beside it: run it with TensorFlow 2.16 (TF_USE_LEGACY_KERAS=1) in this folder."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras


class Counting(tf.Module):  # type: ignore[misc]
    """A variable that sums what it is given, and two functions beside it."""

    def __init__(self) -> None:
        self.total = tf.Variable(tf.zeros([1, 3]))
        self.weights = tf.constant(np.arange(12, dtype=np.float32).reshape(4, 3) / 10)

    @tf.function(input_signature=[tf.TensorSpec([1, 4])])  # type: ignore[misc]
    def add(self, x: Any) -> dict[str, Any]:
        self.total.assign_add(tf.matmul(x, self.weights))
        return {"total": self.total.read_value()}

    @tf.function(input_signature=[tf.TensorSpec([1, 4])])  # type: ignore[misc]
    def plain(self, x: Any) -> dict[str, Any]:
        return {"y": tf.nn.relu(tf.matmul(x, self.weights)) - self.total.read_value()}

    @tf.function(input_signature=[tf.TensorSpec([1, 4], name="a"), tf.TensorSpec([1, 4], name="b")])  # type: ignore[misc]
    def two(self, a: Any, b: Any) -> dict[str, Any]:
        return {"d": a - b, "m": tf.reduce_max(a * b)}


@tf.function(input_signature=[tf.TensorSpec([None, None, None, 3])])  # type: ignore[misc]
def valid(x: Any) -> Any:
    """5 x 5 without padding: an image of 1 x 1, which the file states for an open size, is too small."""
    weights = np.random.default_rng(0).normal(size=(5, 5, 3, 4)).astype(np.float32)
    return tf.nn.relu(tf.nn.conv2d(x, weights, 1, "VALID"))


@tf.function(input_signature=[tf.TensorSpec([1, 3]), tf.TensorSpec([]), tf.TensorSpec([1], tf.string)])  # type: ignore[misc]
def texts(x: Any, gain: Any, word: Any) -> dict[str, Any]:
    """The label of the largest number, all numbers times one, and a word as it was."""
    labels = tf.gather(tf.constant(["cat", "dog", "bird"]), tf.argmax(x, axis=1))
    return {"label": labels, "scaled": x * gain, "word": word}


def write(name: str, converter: Any) -> None:
    Path(name).with_suffix(".tflite").write_bytes(converter.convert())


def main() -> None:
    module = Counting()
    functions = {"add": module.add, "plain": module.plain, "two": module.two}
    for name, keys in (("variable", ["add"]), ("signatures", list(functions))):
        with tempfile.TemporaryDirectory() as folder:
            tf.saved_model.save(module, folder, signatures={key: functions[key] for key in keys})
            converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=keys)
            converter.experimental_enable_resource_variables = True
            write(name, converter)
    frames = keras.Input((6, 5), batch_size=1)
    cells = keras.Model(frames, keras.layers.Dense(2)(keras.layers.LSTM(4)(frames)))
    write("lstm", tf.lite.TFLiteConverter.from_keras_model(cells))
    write("open_size", tf.lite.TFLiteConverter.from_concrete_functions([valid.get_concrete_function()]))
    running = tf.function(lambda x: tf.cumsum(x, axis=1), input_signature=[tf.TensorSpec([1, 8, 8, 4])])
    write("texts", tf.lite.TFLiteConverter.from_concrete_functions([texts.get_concrete_function()]))
    write("cumulative_sum", tf.lite.TFLiteConverter.from_concrete_functions([running.get_concrete_function()]))


if __name__ == "__main__":
    main()
