"""Runs models through the delegate in whatever interpreter this process finds. Called as a program by the conformance
tests: ``python -m tests.support.other_interpreter litert|tensorflow FOLDER``.

FOLDER holds NAME.tflite and NAME.npy, an input of several samples. For each batch size NAME.BATCH.plain.npy is written,
from LiteRT's own kernels, and NAME.BATCH.xnnpack.npy, with XNNPACK. The module that served is printed.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tests.support.invoke import invoke

BATCHES = (1, 4, 2)
"""One after the other in the same interpreter: every change frees and prepares the delegate's partitions again."""


RESOLVERS = {"plain": "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "xnnpack": "AUTO"}


def make(kind: str, model: Path, resolver: str) -> Any:
    """An interpreter with two threads and the delegate."""
    if kind == "litert":
        from ai_edge_litert.interpreter import OpResolverType

        from edgebnn.runtime.interpreter import Interpreter

        chosen = OpResolverType[RESOLVERS[resolver]]
        return Interpreter(str(model), num_threads=2, experimental_op_resolver_type=chosen)

    import tensorflow as tf

    from edgebnn.runtime import delegate_path

    return tf.lite.Interpreter(
        str(model),
        experimental_delegates=[tf.lite.experimental.load_delegate(str(delegate_path()))],
        num_threads=2,
        experimental_op_resolver_type=tf.lite.experimental.OpResolverType[RESOLVERS[resolver]],
    )


def main() -> None:
    kind, folder = sys.argv[1], Path(sys.argv[2])
    for model in sorted(folder.glob("*.tflite")):
        x = np.load(model.with_suffix(".npy"))
        for resolver in RESOLVERS:
            interpreter = make(kind, model, resolver)
            for batch in BATCHES:
                np.save(folder / f"{model.stem}.{batch}.{resolver}.npy", invoke(interpreter, x[:batch]))
    print(inspect.getfile(type(interpreter).__mro__[-2]))


if __name__ == "__main__":
    main()
