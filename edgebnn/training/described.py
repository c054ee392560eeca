"""What a network that was trained on a data set takes, and what it tells: kept with it until it is deployed."""

from __future__ import annotations

from edgebnn import preprocessing
from edgebnn.graph.metadata import ImageFormat, Metadata

from .splits import Dataset


def described(dataset: Dataset, accuracy: float | None = None) -> Metadata:
    """Images as :func:`edgebnn.preprocessing.preprocess` gives them, and the classes of ``dataset``.

    ``accuracy``: on all its test images, in Keras.
    """
    tested = "" if accuracy is None else f": test accuracy {accuracy:.2%} in Keras, {len(dataset.test)} images"
    return Metadata(
        description=f"Trained on {dataset.name}{tested}",
        image=ImageFormat(
            (preprocessing.MEAN,), (preprocessing.STD,), "grey" if dataset.input_shape[2] == 1 else "rgb"
        ),
        labels=tuple(" ".join(name.split()) or str(index) for index, name in enumerate(dataset.classes)),
    )
