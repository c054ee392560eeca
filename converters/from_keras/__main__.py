"""The program of the converter process: ``python -m edgebnn.converters.from_keras DESCRIPTOR``."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from edgebnn._tensorflow import LIBRARY_ERRORS, tf
from edgebnn.converters import keras_names
from edgebnn.converters.converter_process import FILE, JOB, SAVED_MODEL, ConversionError, serve
from edgebnn.errors import EdgebnnError
from edgebnn.graph.types import Array
from edgebnn.user_modules import first_line

# TensorFlow is loaded by now, the right way.
_ERRORS = (importlib.import_module("tensorflow.lite.python.convert").ConverterError, *LIBRARY_ERRORS)


def convert_saved(folder: Path) -> None:
    """Converts what :mod:`.conversion` has put into the folder.

    Raises:
        ConversionError: the converter failed.
        EdgebnnError: it is missing.
    """
    job = json.loads((folder / JOB).read_text())
    try:
        if job["to"] == "quantized":
            converting = importlib.import_module("tensorflow.lite.python.convert")
            content = bytes(converting.mlir_quantize((folder / FILE).read_bytes()))
        else:
            content = _lce(folder) if job["to"] == "lce" else _tflite(folder, job)
    except _ERRORS as error:
        raise ConversionError(first_line(error), str(error)) from error
    (folder / FILE).write_bytes(content)


def _lce(folder: Path) -> bytes:
    try:
        from larq_compute_engine.mlir.python.converter import convert_saved_model
    except ImportError as error:
        raise EdgebnnError(
            f"LCE's converter is missing ({error}): pip install larq-compute-engine (x86-64 Linux)"
        ) from None
    return bytes(convert_saved_model(str(folder / SAVED_MODEL)))


def _tflite(folder: Path, job: dict[str, Any]) -> bytes:
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / SAVED_MODEL))
    if job["to"] == "int8":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        if job["calibrated"]:
            keys = [keras_names.key(position) for position in range(job["inputs"])]
            arrays = {key: np.load(folder / f"{key}.npy", mmap_mode="r") for key in keys}
            converter.representative_dataset = lambda: _batches(arrays, job["batch"])
    return bytes(converter.convert())


def _batches(arrays: dict[str, Array], batch: int) -> Iterator[dict[str, Array]]:
    """As many samples at a time as the model takes."""
    count = len(next(iter(arrays.values())))
    for start in range(0, count - batch + 1, batch):
        yield {key: np.ascontiguousarray(values[start : start + batch]) for key, values in arrays.items()}


if __name__ == "__main__":
    serve(convert_saved, int(sys.argv[1]))
