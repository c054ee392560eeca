"""Running models on Linux: LiteRT with a delegate of ours for the binary ops."""

from __future__ import annotations

from pathlib import Path


def delegate_path() -> Path:
    """The delegate as a shared library, from the wheel or compiled at first use, for a TFLite interpreter of your own.

    It speaks TFLite's external delegate interface, so TensorFlow's interpreter takes it as well as LiteRT's::

        delegate = tf.lite.experimental.load_delegate(str(edgebnn.runtime.delegate_path()))
        tf.lite.Interpreter(model_path=..., experimental_delegates=[delegate])

    Options of ``load_delegate``: ``num_threads`` (default: the interpreter's), ``kernels`` (the name of one kernel to
    use for every convolution), ``profile`` and ``log`` (0 or 1; log, on by default, prints refusals).

    The environment variable ``EDGEBNN_DELEGATE`` names a library that was compiled elsewhere; :mod:`.library` has the
    whole rule.

    Raises:
        BuildError: there is no C compiler, or it fails.
    """
    from .library import find

    return find().path
