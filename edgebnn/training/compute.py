"""In which numbers TensorFlow multiplies while it trains.

``bfloat16``: convolutions and matrix products take their operands rounded to 8 significant bits and sum in float32;
weights, their updates and all else stay float32 (oneDNN's automatic mixed precision). On a processor with instructions
for it, AlexNet at 224x224 trains 1.8 times as fast (measured on AMD EPYC with AVX512_BF16, two cores). Networks are
judged in float32 all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from edgebnn import machine
from edgebnn.errors import InputError

COMPUTES = ("float32", "bfloat16")

_INSTRUCTIONS = frozenset({"avx512_bf16", "amx_bf16"})
_OPTION = "auto_mixed_precision_onednn_bfloat16"


def check_compute(name: str) -> None:
    """Raise :class:`InputError` where this processor has no instructions for it: doing without them is slow."""
    if name == "bfloat16" and not _INSTRUCTIONS & machine.cpu_flags():
        raise InputError(f"compute bfloat16: {machine.cpu_name()} has no instructions for it; train in float32")


@contextmanager
def computing_in(name: str) -> Iterator[None]:
    """What TensorFlow computes inside is computed so, in the whole process. Raises as :func:`check_compute` does."""
    check_compute(name)
    if name == "float32":
        yield
        return
    from edgebnn._tensorflow import tf

    tf.config.optimizer.set_experimental_options({_OPTION: True})
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({_OPTION: False})
