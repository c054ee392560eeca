"""The one door to TensorFlow, Keras 2 and Larq: ``from edgebnn._tensorflow import keras, lq, tf``.

Larq needs Keras 2, which TensorFlow 2.16 only hands out when ``TF_USE_LEGACY_KERAS`` is set before its Keras is first
touched, and TensorFlow reads its log level when it is loaded: both are settled here, and nowhere else. Importing this
module raises :class:`~edgebnn.errors.EdgebnnError` where the training extra is missing.
"""

from __future__ import annotations

import os
import random
from types import SimpleNamespace

from edgebnn.errors import EdgebnnError

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

try:
    import tensorflow as tf
    import tf_keras as keras

    if tf.keras.Model is not keras.Model:
        raise EdgebnnError(
            "TensorFlow was already using Keras 3 when edgebnn was imported, and Larq needs Keras 2: set the "
            "environment variable TF_USE_LEGACY_KERAS=1, or import edgebnn's training modules before touching tf.keras"
        )
    import larq as lq  # after the check: under Keras 3 it fails with an unrelated AttributeError
except ImportError as error:
    remedy = "install them with `pip install 'edgebnn[train]'`"
    raise EdgebnnError(f"this needs TensorFlow, tf-keras and Larq ({error}): {remedy}") from error

tf.get_logger().setLevel("ERROR")


class _Random(random.Random):
    """tf_keras 2.16 draws seeds up to 1e9, which is no whole number to Python 3.12; the numbers drawn are the same."""

    def randint(self, a: float, b: float) -> int:
        return super().randint(int(a), int(b))


keras.src.utils.tf_utils.random = SimpleNamespace(
    Random=_Random, seed=random.seed, randint=lambda a, b: random.randint(int(a), int(b))
)

LIBRARY_ERRORS = (
    tf.errors.OpError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
)
"""What TensorFlow, Keras and Larq raise on models that they cannot handle."""

__all__ = ["LIBRARY_ERRORS", "keras", "lq", "tf"]
