"""``python -m tests.support.run_damaged_int8 SEED COUNT`` runs COUNT damaged copies of each of four standard int8 files
with two-valued weights, packed and not: "refused", "equal" or "different", a line each."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import OpResolverType

from edgebnn.converters.write_tflite import to_bytes
from edgebnn.errors import EdgebnnError
from edgebnn.graph.types import Array
from edgebnn.runtime.interpreter import Interpreter
from edgebnn.runtime.plugin import PackInt8

from .hostile import mutations
from .w1a8_graphs import ConvLayer, DenseLayer, conv_pair, dense_pair

PYTORCH = Path(__file__).parents[1] / "data" / "pytorch" / "per_channel.tflite"


def files() -> Iterator[bytes]:
    yield PYTORCH.read_bytes()
    yield to_bytes(conv_pair(ConvLayer(inputs=20, outputs=33))[0])
    yield to_bytes(conv_pair(ConvLayer(inputs=20, outputs=2, depthwise=True))[0])
    yield to_bytes(dense_pair(DenseLayer())[0])


def outputs(content: bytes, pack_int8: PackInt8) -> list[Array] | None:
    """None: refused."""
    try:
        interpreter = Interpreter(
            model_content=content, pack_int8=pack_int8, experimental_op_resolver_type=OpResolverType.BUILTIN_REF
        )
        interpreter.allocate_tensors()
        for entry in interpreter.get_input_details():
            noise = np.random.default_rng(0).integers(-128, 128, entry["shape"])
            interpreter.set_tensor(entry["index"], noise.astype(entry["dtype"]))
        interpreter.invoke()
    except (EdgebnnError, RuntimeError):
        return None
    return [interpreter.get_tensor(entry["index"]) for entry in interpreter.get_output_details()]


def main() -> None:
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    for number, file in enumerate(files()):
        for copy, content in enumerate(mutations(file, count, seed)):
            print(number, copy, end=" ", flush=True)
            packed, plain = outputs(content, "all"), outputs(content, "none")
            if packed is None or plain is None:
                print("refused" if packed is plain is None else "different", flush=True)
            else:
                same = all(np.array_equal(a, b) for a, b in zip(packed, plain, strict=True))
                print("equal" if same else "different", flush=True)


if __name__ == "__main__":
    main()
