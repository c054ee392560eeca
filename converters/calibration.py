"""Inputs that int8 ranges are taken from: put in the model's order, and checked before minutes are spent on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from edgebnn.errors import InputError
from edgebnn.graph.types import Array

from .findings import Finding
from .keras_names import KerasInput

Calibration = Array | Sequence[Array] | Mapping[str, Array]
"""Arrays [samples, ...]: one for the only input, one for each input in Keras' order, or one for each by its name."""

FEW_SAMPLES = 32
"""Fewer samples than this rarely meet the extremes of every layer."""


def in_order(given: Calibration, inputs: Sequence[KerasInput]) -> tuple[Array, ...]:
    """The arrays of ``given`` in the order of ``inputs``.

    Args:
        given: arrays that ``numpy.savez`` has named, ``arr_0`` and so on, count as given in order.
        inputs: the model's, in Keras' order.

    Raises:
        InputError: there is not exactly one array for each input.
    """
    if hasattr(given, "__array__"):  # TensorFlow's tensors are arrays too
        given = (np.asarray(given),)
    if not isinstance(given, Mapping):
        arrays = tuple(np.asarray(values) for values in given)
        if len(arrays) != len(inputs):
            raise InputError(f"calibration: {len(arrays)} arrays given for a model with {len(inputs)} inputs")
        return arrays
    names = [one.name for one in inputs]
    numbered = [f"arr_{position}" for position in range(len(names))]
    if set(given) == set(numbered):
        names = numbered
    if set(given) != set(names):
        wanted, found = (", ".join(f"'{name}'" for name in sorted(group)) for group in (names, given))
        raise InputError(f"calibration: arrays named {found} given for a model with the inputs {wanted}")
    return tuple(np.asarray(given[name]) for name in names)


def check(arrays: Sequence[Array], inputs: Sequence[KerasInput]) -> tuple[Finding, ...]:
    """Findings about calibration arrays.

    Args:
        arrays: for each of ``inputs`` an array [samples, *shape].
        inputs: the model's, in Keras' order.

    Returns:
        Warnings about too few samples, constant ones, and equal ones.

    Raises:
        InputError: naming the input, for a wrong shape or dtype, NaN or infinite values, or unequal sample counts.
    """
    for values, one in zip(arrays, inputs, strict=True):
        _check_values(f"calibration input '{one.name}'", values, one)
    counts = {len(values) for values in arrays}
    if len(counts) > 1:
        raise InputError(f"calibration: the inputs have different numbers of samples ({sorted(counts)})")
    batch = max(one.batch or 1 for one in inputs)
    if min(counts) < batch:
        raise InputError(f"calibration: {min(counts)} samples given for a model that takes {batch} at a time")
    return (*_few(min(counts)), *_constant(arrays), *_repeated(arrays))


def _check_values(where: str, values: Array, one: KerasInput) -> None:
    shape = one.shape
    if values.dtype.kind not in "fiub" or (values.dtype.kind == "b") != (one.dtype == "bool"):
        raise InputError(f"{where} has the dtype {values.dtype}; give numbers, preprocessed as for training")
    if np.dtype(one.dtype).kind in "iu" and values.dtype.kind == "f" and not np.array_equal(values, np.rint(values)):
        raise InputError(f"{where} has fractions; the model wants {one.dtype}")
    if values.ndim == 0 or values.shape[1:] != shape:
        raise InputError(
            f"{where} has the shape {list(values.shape)}; the model wants [samples, {str(list(shape))[1:]}"
        )
    if not len(values):
        raise InputError(f"{where} has no samples")
    with np.errstate(over="ignore"):
        finite = np.isfinite(values.astype(np.float32)).reshape(len(values), -1).all(axis=1)
    if not finite.all():
        raise InputError(f"{where}: sample {int(np.argmin(finite))} holds NaN or infinity as float32; remove it")


def _few(count: int) -> tuple[Finding, ...]:
    if count >= FEW_SAMPLES:
        return ()
    message = f"only {count} calibration samples: ranges taken from so few clip values that occur in use"
    return (Finding("warning", "calibration-few-samples", "", message, f"give {FEW_SAMPLES} to 500 typical inputs"),)


def _constant(inputs: Sequence[Array]) -> tuple[Finding, ...]:
    """Samples in which every value is the same: blank images, or preprocessing that lost them."""
    flat = [values.reshape(len(values), -1) for values in inputs]
    wide = [values for values in flat if values.shape[1] > 1]  # a sample that is one number cannot be anything else
    if not wide:
        return ()
    constant = np.logical_and.reduce([(values == values[:, :1]).all(axis=1) for values in wide])
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
