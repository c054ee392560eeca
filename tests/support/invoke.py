"""One run of any interpreter with TFLite's interface. Imports nothing that another Python may lack."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def invoke(interpreter: Any, x: NDArray[Any]) -> NDArray[Any]:
    """The first output for ``x``, to whose shape the only input is resized."""
    (source,), target = interpreter.get_input_details(), interpreter.get_output_details()[0]
    interpreter.resize_tensor_input(source["index"], x.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(source["index"], x)
    interpreter.invoke()
    return np.asarray(interpreter.get_tensor(target["index"]))
