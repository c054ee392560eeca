"""Checks the inputs that int8 ranges are taken from, before minutes are spent on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgebnn.errors import InputError
from edgebnn.graph.types import Array, Shape

from .findings import Finding

FEW_SAMPLES = 32
"""Fewer samples than this rarely meet the extremes of every layer."""


def check(inputs: Sequence[Array], shapes: Sequence[Shape]) -> tuple[Finding, ...]:
    """Findings about calibration ``inputs``: for each model input an array [samples, *shape].

    Raises InputError naming the input for a wrong shape or dtype, NaN or infinite values, or unequal sample counts.
    """
    if len(inputs) != len(shapes):
        raise InputError(f"calibration: {len(inputs)} arrays given for a model with {len(shapes)} inputs")
    for number, (values, shape) in enumerate(zip(inputs, shapes, strict=True)):
        _check_values(f"calibration input {number}", values, shape)
    counts = {len(values) for values in inputs}
    if len(counts) > 1:
        raise InputError(f"calibration: the inputs have different numbers of samples ({sorted(counts)})")
    return (*_few(min(counts)), *_constant(inputs), *_repeated(inputs))


def _check_values(where: str, values: Array, shape: Shape) -> None:
    if values.dtype.kind not in "fiu":
        raise InputError(f"{where} has the dtype {values.dtype}; give numbers, preprocessed as for training")
    if values.shape[1:] != shape:
        raise InputError(
            f"{where} has the shape {list(values.shape)}; the model wants [samples, {str(list(shape))[1:]}"
        )
    if not len(values):
        raise InputError(f"{where} has no samples")
    finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if not finite.all():
        raise InputError(f"{where}: sample {int(np.argmin(finite))} holds NaN or infinity; remove it")


def _few(count: int) -> tuple[Finding, ...]:
    if count >= FEW_SAMPLES:
        return ()
    message = f"only {count} calibration samples: ranges taken from so few clip values that occur in use"
    return (Finding("warning", "calibration-few-samples", "", message, f"give {FEW_SAMPLES} to 500 typical inputs"),)


def _constant(inputs: Sequence[Array]) -> tuple[Finding, ...]:
    """Samples in which every value is the same: blank images, or preprocessing that lost them."""
    flat = [values.reshape(len(values), -1) for values in inputs]
    constant = np.logical_and.reduce([np.ptp(values, axis=1) == 0 for values in flat if values.shape[1] > 1])
    count = int(np.sum(constant))
    if not count:
        return ()
    if count == len(inputs[0]):
        raise InputError(
            "calibration: every sample is constant, so no range can be taken from them; check how they are loaded"
        )
    message = f"{count} of {len(inputs[0])} calibration samples are constant"
    return (Finding("warning", "calibration-constant", "", message, "check how the samples are loaded"),)


def _repeated(inputs: Sequence[Array]) -> tuple[Finding, ...]:
    """The same sample over and over counts once."""
    if len(inputs[0]) < 2 or not all((values == values[:1]).all() for values in inputs):
        return ()
    message = "all calibration samples are equal, so they say as much as one"
    return (Finding("warning", "calibration-repeated", "", message, "give different, typical inputs"),)
