"""The whole networks that are measured, and the int8 networks that they are compared with: untrained, converted once.

Weights are random: time does not depend on them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tools.bench.zoo import ZOO, build_zoo

Around = Literal["float", "int8"]
AROUND: tuple[Around, ...] = ("float", "int8")
_CALIBRATION = 4  # images; ranges do not matter for time


@dataclass(frozen=True)
class Network:
    """A Keras model, what it is converted to, and the int8 network that it is compared with.

    int8: a name of ``INT8``, of the same topology; "" for none. A W1A8 network is compared with the int8 file that it
    was packed from, and has none.
    """

    build: Callable[[], Any]
    to: Literal["lce", "w1a8", "int8"]
    int8: str = ""


def _resnet18(precision: str) -> Any:
    from edgebnn.models import build

    return build("resnet18", widths=(64, 128, 256, 512), classes=1000, precision=precision)


def _small_resnet(depth: int) -> Any:
    from edgebnn.models import build

    return build(f"resnet{depth}", widths=(16, 32, 64), classes=10, precision="w1a8")


def _alexnet(precision: str) -> Any:
    from edgebnn.models import build

    return build("alexnet", widths=(64, 192, 384, 256, 256, 4096, 4096), classes=1000, precision=precision)


def _resnet_e18() -> Any:
    from tools.bench.resnet_e import resnet_e18

    return resnet_e18()


def _quicknet() -> Any:
    from tools.bench.quicknet import quicknet

    return quicknet()


INT8: Mapping[str, Network] = {
    "int8 ResNet-18": Network(partial(_resnet18, "float"), "int8"),
    "int8 AlexNet": Network(partial(_alexnet, "float"), "int8"),
}
NETWORKS: Mapping[str, Network] = {
    "Bi-Real-18": Network(partial(_resnet18, "w1a1"), "lce", "int8 ResNet-18"),
    "ResNet-E18": Network(_resnet_e18, "lce", "int8 ResNet-18"),
    "binary AlexNet": Network(partial(_alexnet, "w1a1"), "lce", "int8 AlexNet"),
    "QuickNet-like": Network(_quicknet, "lce"),
    "W1A8 ResNet-18": Network(partial(_resnet18, "w1a8"), "w1a8"),
    "W1A8 AlexNet": Network(partial(_alexnet, "w1a8"), "w1a8"),
    "W1A8 ResNet-20": Network(partial(_small_resnet, 20), "w1a8"),
    "W1A8 ResNet-8": Network(partial(_small_resnet, 8), "w1a8"),
}
LARQ_ZOO: Mapping[str, Network] = {name: Network(partial(build_zoo, name), "lce") for name in ZOO}
ALL: Mapping[str, Network] = {**NETWORKS, **LARQ_ZOO}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which networks, and where they are kept."""
    parser.add_argument("--network", choices=ALL, action="append", metavar="NAME", help="may be repeated")
    parser.add_argument("--zoo", action="store_true", help="larq-zoo's networks, of the package larq-zoo")
    parser.add_argument("--around", choices=AROUND, default="float", help="what surrounds the binary layers")
    parser.add_argument("--cache", type=Path, default=Path("build/bench"), help="where converted networks are kept")


def chosen(options: argparse.Namespace) -> Sequence[str]:
    """Names of the networks that the options ask for; by default all but larq-zoo's."""
    return list(options.network or (LARQ_ZOO if options.zoo else NETWORKS))


def content(name: str, cache: Path, around: Around = "float") -> bytes:
    """The network as a file, converted once and kept in ``cache``; ``around``: what surrounds binary layers."""
    network = ALL[name]
    if network.to == "w1a8":
        return _packed(_converted(name, network, cache, "int8"), cache / f"{_stem(name)}_packed.tflite")
    return _converted(name, network, cache, around).read_bytes()


def int8_content(name: str, cache: Path) -> bytes | None:
    """The int8 file that the network is compared with, None if there is none of its topology."""
    network = ALL[name]
    if network.to == "w1a8":
        return _converted(name, network, cache, "int8").read_bytes()
    return _converted(network.int8, INT8[network.int8], cache, "int8").read_bytes() if network.int8 else None


def _stem(name: str) -> str:
    return name.lower().replace(" ", "_")


def _packed(int8: Path, path: Path) -> bytes:
    from edgebnn.converters.convert import convert

    if not path.is_file():
        convert(int8, path, "w1a8")
    return path.read_bytes()


def _converted(name: str, network: Network, cache: Path, around: Around) -> Path:
    """The path of the file, a W1A8 network's before packing."""
    path = cache / f"{_stem(name)}_{around}.tflite"
    if not path.is_file():
        from edgebnn.converters.convert import convert

        model = network.build()
        images = np.random.default_rng(0).normal(size=(_CALIBRATION, *model.input_shape[1:])).astype(np.float32)
        cache.mkdir(parents=True, exist_ok=True)
        convert(model, path, "lce" if network.to == "lce" else "int8", [images] if around == "int8" else None)
    return path
