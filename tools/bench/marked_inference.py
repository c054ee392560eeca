"""What the emulated Python of ``arm_networks`` runs: one inference between marks, which ``count_marked.c`` counts.

Usage: python3 marked_inference.py MODEL DELEGATE OUTPUT  (OUTPUT: an .npy file of what the network gives)
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, load_delegate

MARK = 4242


def main() -> None:
    model, path, result = sys.argv[1:]
    plugin = delegate(path)
    call, begin, end = ctypes.CDLL(None).syscall, *map(ctypes.c_uint64, code_of(path))
    call(MARK, begin, end)
    interpreter = Interpreter(model_path=model, num_threads=1, experimental_delegates=[plugin])
    interpreter.allocate_tensors()
    taken, given = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    x = np.random.default_rng(0).normal(scale=1 if taken["dtype"] == np.float32 else 40, size=taken["shape"])
    interpreter.set_tensor(taken["index"], np.clip(x, -128, 127).astype(taken["dtype"]))
    interpreter.invoke()  # the first prepares
    call(MARK, begin, end)
    interpreter.invoke()
    call(MARK, begin, end)
    np.save(result, interpreter.get_tensor(given["index"]))


def delegate(path: str) -> Any:
    """With the options that edgebnn gives it."""
    try:
        return load_delegate(path, {"log": 0, "surroundings": 1})
    except ValueError:  # of a commit before first layers and what lies between binary ones were ours
        return load_delegate(path, {"log": 0})


def code_of(path: str) -> tuple[int, int]:
    """The addresses between which a loaded library lies."""
    with open("/proc/self/maps", encoding="utf-8") as lines:
        ranges = [line.split("-", 1) for line in lines if line.rstrip().endswith(path)]
    return min(int(begin, 16) for begin, _ in ranges), max(int(rest.split()[0], 16) for _, rest in ranges)


if __name__ == "__main__":
    main()
