"""The networks of larq-zoo, which are read from its package where it can be imported: untrained.

larq-zoo 2.4 asks for TensorFlow Datasets and for an old typeguard, which it needs for training alone: without them it
goes into a folder of its own, which PYTHONPATH names (see ``_REMEDY``).
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any

from edgebnn.errors import EdgebnnError

ZOO = (
    "RealToBinaryNet",
    "MeliusNet22",
    "BinaryDenseNet28",
    "BinaryDenseNet37",
    "BinaryDenseNet45",
    "XNORNet",
    "BiRealNet",
    "BinaryResNetE18",
    "BinaryAlexNet",
    "QuickNetSmall",
    "QuickNet",
    "QuickNetLarge",
)
_REMEDY = (
    "install it with `pip install --target build/larq_zoo --no-deps larq-zoo==2.4.0 zookeeper==1.3.4 "
    "typeguard==2.13.3`, delete build/larq_zoo/tests, and set PYTHONPATH=build/larq_zoo"
)


def build_zoo(name: str) -> Any:
    """A network of ``ZOO`` with random weights. Raises EdgebnnError where larq-zoo cannot be imported."""
    import edgebnn._tensorflow  # noqa: F401  Keras 2, before larq-zoo asks for it

    if importlib.util.find_spec("tensorflow_datasets") is None:
        sys.modules["tensorflow_datasets"] = _no_datasets()
    try:
        larq_zoo = importlib.import_module("larq_zoo")
    except ImportError as error:
        raise EdgebnnError(f"larq-zoo cannot be imported ({error}): {_REMEDY}") from error
    kind = larq_zoo.sota if name.startswith("QuickNet") else larq_zoo.literature
    return getattr(kind, name)(weights=None)


def _no_datasets() -> ModuleType:
    """In place of TensorFlow Datasets: the two types that zookeeper names in annotations."""
    module = ModuleType("tensorflow_datasets")
    module.__spec__ = ModuleSpec(module.__name__, None)
    module.__dict__.update(decode=SimpleNamespace(Decoder=object), core=SimpleNamespace(DatasetInfo=object))
    return module
