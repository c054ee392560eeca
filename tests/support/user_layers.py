"""A module as users have them: layers, an initializer, a quantizer and a constraint of their own, as source text.

The text is written to a file outside of what tests can import, so that nobody knows the module but who is told of it.
"""

from __future__ import annotations

from pathlib import Path

_SOURCE = """
import larq as lq
import tensorflow as tf
import tf_keras as keras

MARK


class Centred(keras.initializers.Initializer):
    def __call__(self, shape, dtype=None, **options):
        return tf.random.stateless_uniform(shape, (1, 2), -0.5, 0.5)

    def get_config(self):
        return {}


@registered
class Signs(lq.quantizers.Quantizer):
    precision = 1

    def call(self, x):
        return tf.stop_gradient(tf.where(x < 0, -1.0, 1.0) - tf.clip_by_value(x, -1, 1)) + tf.clip_by_value(x, -1, 1)

    def get_config(self):
        return {}


@registered
class Bounded(keras.constraints.Constraint):
    def __call__(self, w):
        return tf.clip_by_value(w, -1.25, 1.25)

    def get_config(self):
        return {}


@registered
class Scaled(keras.layers.Layer):
    def __init__(self, factor=1.0, **options):
        super().__init__(**options)
        self.factor = factor

    def call(self, x):
        return x * self.factor

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


Centred = registered(Centred)


def network():
    images = keras.Input((8, 8, 1), name="image")
    x = keras.layers.Conv2D(8, 3, kernel_initializer=Centred(), kernel_constraint=Bounded(), name="first")(images)
    x = lq.layers.QuantConv2D(
        16, 3, input_quantizer=Signs(), kernel_quantizer=Signs(), kernel_constraint=Bounded(), name="binary"
    )(x)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.Flatten(name="flat")(x)
    x = keras.layers.Dense(16, activation="relu", name="hidden")(x)
    return keras.Model(images, Scaled(2.0, name="scaled")(keras.layers.Dense(2, name="logits")(x)), name="mine")
"""


def write(folder: Path, name: str, *, registers: bool) -> str:
    """Write the module ``name`` into ``folder``; it has a function ``network``. Returns the name."""
    mark = (
        f'registered = keras.utils.register_keras_serializable("{name}")'
        if registers
        else "def registered(one):\n    return one"
    )
    (folder / f"{name}.py").write_text(_SOURCE.replace("MARK", mark))
    return name
