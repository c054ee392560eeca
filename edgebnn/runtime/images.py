"""Images as the inputs of models that say what they take: files, Pillow's images and arrays."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebnn.errors import EdgebnnError, InputError
from edgebnn.graph.metadata import ImageFormat
from edgebnn.graph.types import Array
from edgebnn.preprocessing import resize

from .port import Port

_GREY = np.array([0.299, 0.587, 0.114], np.float32)
"""Shares of red, green and blue in a grey pixel, of ITU-R BT.601, as in Pillow and OpenCV."""
_GREY_MODES = frozenset({"1", "L", "LA"})
_COLOUR_MODES = frozenset({"CMYK", "P", "PA", "RGB", "RGBA", "RGBX", "YCbCr", "HSV", "LAB"})


@dataclass(frozen=True)
class Prediction:
    """A class and its score: the model's output, which is a probability only where the model ends in a softmax.

    ``label`` is empty where the model names no classes.
    """

    label: str
    score: float
    index: int


def prepared(image: Any, port: Port, image_format: ImageFormat, model: str) -> Array:
    """One image as the model takes it.

    Args:
        image: a file's path, an image of Pillow's, or an array [H, W] or [H, W, channels], RGB where there are three:
            uint8 pixels; or floats, which are on the model's own scale already.
        port: the input that takes it.
        image_format: what it takes.
        model: what messages call the model.

    Returns:
        Real numbers, float32 [1, H, W, C].

    Raises:
        InputError: it is no such image, or the model does not say what range it takes.
    """
    pixels = _pixels(image)
    size, channels = _size(port, image_format, model), port.shape[-1]
    order = image_format.channel_order or ("grey" if channels == 1 else "rgb")
    resized = resize(_in_order(pixels, order), size)
    if pixels.dtype == np.uint8:
        resized = _on_scale(np.rint(resized), port, image_format, model)
    return resized[np.newaxis]


def best(scores: Array, labels: tuple[str, ...], top: int) -> tuple[Prediction, ...]:
    """The ``top`` classes with the highest of ``scores`` [classes], best first."""
    order = np.argsort(-scores, kind="stable")[:top]
    return tuple(Prediction(labels[i] if labels else "", float(scores[i]), int(i)) for i in order)


def _pixels(image: Any) -> NDArray[Any]:
    """[H, W, 1 or 3], RGB, uint8 or float32."""
    if isinstance(image, str | os.PathLike):
        return _read(os.fspath(image))
    if hasattr(image, "convert") and hasattr(image, "mode"):
        return _of_pillow(image, "the image")
    array = np.asarray(image)
    if array.ndim == 2:
        array = array[..., np.newaxis]
    if array.ndim != 3 or array.shape[2] not in (1, 3) or array.size == 0:
        raise InputError(f"an image is an array [H, W], [H, W, 1] or [H, W, 3], not {list(array.shape)}")
    if array.dtype != np.uint8 and not np.issubdtype(array.dtype, np.floating):
        raise InputError(
            f"an image is of uint8 (pixels 0 to 255), or of floats on the model's scale, not {array.dtype}"
        )
    return array if array.dtype == np.uint8 else array.astype(np.float32)


def _read(path: str) -> NDArray[Any]:
    try:
        from PIL import Image
    except ImportError:
        raise EdgebnnError(
            f"{path}: reading image files needs Pillow: pip install pillow; or give an array of pixels"
        ) from None
    try:
        with Image.open(path) as opened:
            return _of_pillow(opened, path)
    # what Pillow raises for damaged files of its various formats
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: cannot be read as an image ({error})") from None


def _of_pillow(image: Any, name: str) -> NDArray[Any]:
    """Upright, as the camera was held."""
    from PIL import ImageOps

    if image.mode not in _GREY_MODES | _COLOUR_MODES:
        raise InputError(f"{name}: has pixels of mode {image.mode}; convert it to 8 bits a channel")
    upright = ImageOps.exif_transpose(image)
    array = np.asarray(upright.convert("L" if image.mode in _GREY_MODES else "RGB"))
    return array if array.ndim == 3 else array[..., np.newaxis]


def _size(port: Port, image_format: ImageFormat, model: str) -> tuple[int, int]:
    _, height, width, _ = port.dimensions
    if height > 0 and width > 0:
        return height, width
    if image_format.size is None:
        raise InputError(f"{model}: leaves the size of its images open; give arrays [N, H, W, C] to the model itself")
    return image_format.size


def _in_order(pixels: NDArray[Any], order: str) -> NDArray[Any]:
    if order == "grey":
        return pixels if pixels.shape[2] == 1 else np.asarray(pixels, np.float32) @ _GREY[:, np.newaxis]
    colour = pixels if pixels.shape[2] == 3 else np.broadcast_to(pixels, (*pixels.shape[:2], 3))
    return colour[..., ::-1] if order == "bgr" else colour


def _on_scale(pixels: NDArray[np.float32], port: Port, image_format: ImageFormat, model: str) -> NDArray[np.float32]:
    if image_format.mean:
        mean, std = (np.array(values, np.float32) for values in (image_format.mean, image_format.std))
        return np.asarray((pixels - mean) / std, np.float32)
    if port.dtype == np.uint8:  # by convention, the pixels themselves
        scale = 1.0 if port.scale is None else port.scale
        return np.asarray((pixels - port.zero_point) * np.float32(scale), np.float32)
    raise InputError(
        f"{model}: does not say what range its pixels take; record it: edgebnn convert MODEL --image-range LOW HIGH"
    )


def check_format(ports: Sequence[Port], image_format: ImageFormat, model: str) -> None:
    """Raise InputError if the inputs have none for images of the format: a file can say anything."""
    shape = ports[image_format.input].shape if image_format.input < len(ports) else ()
    grey = image_format.channel_order == "grey"
    fits = len(shape) == 4 and shape[3] in (1, 3) and len(image_format.mean) in (0, 1, shape[3])
    if not fits or (image_format.channel_order is not None and grey != (shape[3] == 1)):
        raise InputError(f"{model}: its metadata speaks of another image than the input of shape {list(shape)}")
