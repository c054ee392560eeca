"""Damaged .tflite files for tests: cut short, bits flipped, words replaced, pieces copied over others.

As a program, ``python -m tests.support.mutations FIRST COUNT``, it loads COUNT of them and says what became of each.
"""

from __future__ import annotations

import random
import sys

from ai_edge_litert import schema_py_generated as schema

WORDS = (0, 1, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000)


def structure(content: bytes) -> list[int]:
    """Positions outside of the weights, where damage matters."""
    model = schema.Model.GetRootAs(content)
    weights = bytearray(len(content))
    for index in range(model.BuffersLength()):
        if model.Buffers(index).DataLength() > 16:
            data = model.Buffers(index).DataAsNumpy().tobytes()
            start = content.find(data)
            weights[start : start + len(data)] = b"\1" * len(data)
    return [position for position in range(len(content)) if not weights[position]]


def mutated(content: bytes, positions: list[int], seed: int) -> bytes:
    """One of them. ``positions``: where damage is done."""
    rng = random.Random(seed)
    data = bytearray(content)
    way = rng.random()
    if way < 0.1:
        return bytes(data[: rng.randrange(len(data))])
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at = rng.choice(positions)
        if way < 0.4:
            data[at] ^= 1 << rng.randrange(8)
        elif way < 0.6:
            data[at] = rng.randrange(256)
        elif way < 0.9:
            data[at : at + 4] = rng.choice((*WORDS, rng.randrange(64))).to_bytes(4, "little")
        else:
            other = rng.choice(positions)
            data[at : at + 8] = data[other : other + 8]
    return bytes(data)


def main() -> None:
    from edgebnn.errors import EdgebnnError
    from edgebnn.runtime.interpreter import load
    from tests.support.topologies import lce_bytes

    first, count = int(sys.argv[1]), int(sys.argv[2])
    models = [lce_bytes("residual_int8"), lce_bytes("packed_chain"), lce_bytes("uneven", int8=True)]
    places = [structure(content) for content in models]
    for seed in range(first, first + count):
        model = seed % len(models)
        print(seed, end=" ", flush=True)
        try:
            load(mutated(models[model], places[model], seed))
        except EdgebnnError as error:
            text = str(error)
            assert text.startswith("model_content: "), text
            assert text.isprintable(), repr(text)
            print("refused", flush=True)
        else:
            print("loaded", flush=True)


if __name__ == "__main__":
    main()
