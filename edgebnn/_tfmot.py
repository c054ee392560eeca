"""The one door to TF-MOT: ``from edgebnn._tfmot import tfmot``.

TF-MOT touches TensorFlow's Keras when it is imported, so :mod:`edgebnn._tensorflow` has to settle first which it is.
Importing this module raises :class:`~edgebnn.errors.EdgebnnError` where the training extra is missing.
"""

from __future__ import annotations

import edgebnn._tensorflow  # noqa: F401 - before TF-MOT, see above
from edgebnn.errors import EdgebnnError

try:
    import tensorflow_model_optimization as tfmot
except ImportError as error:
    raise EdgebnnError(f"this needs TF-MOT ({error}): install it with `pip install 'edgebnn[train]'`") from error

__all__ = ["tfmot"]
