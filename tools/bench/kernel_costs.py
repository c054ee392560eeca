#!/usr/bin/env python3
"""Fits what the Linux kernels' schedules cost (edgebnn/dataflow/costs): layers drawn at random, counted or timed.

Usage: .venv/bin/python tools/bench/kernel_costs.py {aarch64,x86-64} --layers 60 -o FILE.toml

AArch64: exact instructions under qemu-user. x86-64: the least of some timings of this machine. Costs of a kernel are
the non-negative numbers that give the counts of all its layers with the least squares of relative errors; each belongs
to a kernel and to something that it does, and to no layer. tools/bench/schedules.py compares on other layers.
Needs scipy besides what edgebnn needs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.optimize import nnls  # type: ignore[import-untyped]

from edgebnn.dataflow.kernel_costs import terms
from edgebnn.errors import EdgebnnError
from edgebnn.files import write_text
from edgebnn.kernels.schedules import LayerSchedule
from edgebnn.kernels.spaces import LayerShape, spaces
from tools.bench.arm_mca import Layer
from tools.bench.schedule_cases import MACHINES, Runner, shape_of, text_of

KERNELS = {
    "aarch64": {"bconv2d": ("neon64", "neon64rs"), "w1a8": ("neon64", "neon64dot")},
    "x86-64": {"bconv2d": ("avx512", "avx512rs"), "w1a8": ("avx512", "avxvnni")},
}
HARDWARE = {
    "aarch64": {"pi4": ["NEON"], "pi-zero-2w": ["NEON"], "pi5": ["NEON", "NEON_DOT"]},
    "x86-64": {"host": ["AVX512_VPOPCNTDQ", "AVX512_BW", "AVX_VNNI"]},
}
SOURCES = {
    "aarch64": "emulated: instructions under qemu-user",
    "x86-64": "measured: one core of an x86-64 server with AVX-512 VPOPCNTDQ",
}


def draw(rng: np.random.Generator, operation: str, largest: int) -> Layer:
    """A small layer of any kind."""
    channels = int(rng.choice([32, 64, 64, 96, 128, 256]))
    return Layer(
        size=int(rng.integers(3, largest)),
        channels_in=channels,
        channels_out=int(rng.choice([16, 32, 48, 64, 96])),
        filter=int(rng.choice([1, 2, 3, 3, 3, 5])) if channels <= 64 else int(rng.choice([1, 3])),
        stride=int(rng.choice([1, 1, 2])),
        output=str(rng.choice(["float32", "int8", "packed"])) if operation == "bconv2d" else "int8",
    )


def fit(rows: Sequence[tuple[LayerShape, LayerSchedule, float]]) -> dict[str, float]:
    """What each term costs once."""
    counted = [terms(shape, schedule) for shape, schedule, _ in rows]
    names = list(dict.fromkeys(name for found in counted for name in found))
    measured = np.array([value for _, _, value in rows])
    matrix = np.array([[found.get(name, 0.0) for name in names] for found in counted]) / measured[:, None]
    scale = np.maximum(np.abs(matrix).max(axis=0), 1e-300)
    found, _ = nnls(matrix / scale, np.ones(len(rows)), maxiter=50 * len(names))
    errors = np.abs(matrix @ (found / scale) - 1)
    print(f"  {len(rows)} points, errors: mean {errors.mean():.1%}, greatest {errors.max():.1%}", file=sys.stderr)
    return {name: float(f"{value:.4g}") for name, value in zip(names, found / scale, strict=True) if value > 0}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("machine", choices=MACHINES)
    parser.add_argument("--operation", choices=("bconv2d", "w1a8"), help="only that one; by default all")
    parser.add_argument("--kernel", help="only that one; by default all")
    parser.add_argument("--layers", type=int, default=60, help="drawn for each kernel")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    lines = [f'unit = "{MACHINES[options.machine]}"', f'source = "{SOURCES[options.machine]}"', "", "[hardware]"]
    lines += [f"{name} = {features}".replace("'", '"') for name, features in HARDWARE[options.machine].items()]
    try:
        with tempfile.TemporaryDirectory() as folder:
            runner = Runner.make(options.machine, Path(folder))
            for operation, kernels in KERNELS[options.machine].items():
                for kernel in kernels if options.operation in (None, operation) else ():
                    if options.kernel not in (None, kernel):
                        continue
                    rng = np.random.default_rng(2026)
                    print(f"fitting {kernel} of {operation}", file=sys.stderr, flush=True)
                    rows: list[tuple[LayerShape, LayerSchedule, float]] = []
                    while len(rows) < options.layers:
                        layer = draw(
                            rng,
                            operation,
                            (12 if operation == "bconv2d" else 8) if options.machine == "aarch64" else 40,
                        )
                        shape = shape_of(layer, operation)
                        points = [p for space in spaces(shape, [kernel]) for p in space.candidates(0, layer.name)]
                        if points:
                            point = points[int(rng.integers(len(points)))]
                            rows.append((shape, point, runner.costs(operation, layer, [text_of(point)])[0]))
                    lines += ["", f"[{operation}.{kernel}]"]
                    lines += [f'"{name}" = {value}' for name, value in fit(rows).items()]
    except EdgebnnError as error:
        sys.exit(f"kernel_costs: {error}")
    write_text(options.output, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
