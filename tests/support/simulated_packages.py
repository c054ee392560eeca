"""Generated packages on simulated cores: several in one image, so that a compiler is started once."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgebnn.converters.c_package.generate import generate
from edgebnn.converters.c_package.package import Package
from edgebnn.graph.types import Array, Graph
from edgebnn.kernels.cores import CORES
from edgebnn.kernels.schedules import LayerSchedule
from edgebnn.targets.cortex_m.image import Memory
from edgebnn.targets.cortex_m.machine import Call, Machine
from edgebnn.targets.cortex_m.toolchain import ToolchainName, compile_image
from tests.support.c_packages import STRICT, write_files

_MEMORY = Memory(flash_bytes=16 << 20, ram_bytes=16 << 20)


class SimulatedPackages:
    """Networks as packages for one core, in one image."""

    def __init__(
        self,
        graphs: Sequence[Graph],
        core: str,
        toolchain: ToolchainName = "zig",
        schedules: Sequence[Sequence[LayerSchedule]] = (),
    ) -> None:
        """``schedules``: of each network; by default the planner's picks."""
        self.packages: tuple[Package, ...] = tuple(
            generate(graph, CORES[core], f"net{number}", followed)
            for number, (graph, followed) in enumerate(zip(graphs, schedules or [()] * len(graphs), strict=True))
        )
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            names = {name for package in self.packages for name in write_files(package, folder)}
            self.image = compile_image(
                CORES[core],
                [folder / name for name in sorted(names)],
                keep=[f"{package.name}_invoke" for package in self.packages],
                memory=_MEMORY,
                flags=(f"-I{folder}", *STRICT),
                toolchain=toolchain,
            )
        self.machine = Machine(self.image)

    def invoke(self, number: int, *inputs: Array) -> tuple[tuple[Array, ...], Call]:
        """One inference of a network: its outputs, and the call."""
        package = self.packages[number]
        outputs = [np.zeros(a.tensor.shape, a.tensor.dtype.numpy) for a in package.outputs]
        call = self.machine.call(f"{package.name}_invoke", *inputs, *outputs)
        assert call.value == 0
        return call.arrays[len(inputs) :], call
