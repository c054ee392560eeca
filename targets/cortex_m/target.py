"""Simulated microcontrollers as targets: the package of a network, compiled for a core, run and counted.

Instructions are exact, and the same every time: one inference is all that is needed. They depend on the input only
where kernels branch on values.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Literal

import numpy as np

from edgebnn.converters.c_package.generate import generate
from edgebnn.converters.c_package.package import Package
from edgebnn.errors import EdgebnnError, InputError
from edgebnn.graph.shapes import open_sizes
from edgebnn.graph.types import Array, Graph, Shape
from edgebnn.kernels.cores import CORES
from edgebnn.runtime.profile import INTERPRETER, Kind, OpProfile, Profile, Unit
from edgebnn.targets.footprint import Footprint, Limits
from edgebnn.targets.interface import Target
from edgebnn.targets.model_file import ModelFile, Session

from .boards import board
from .cycles import CYCLE_MODELS, estimate
from .footprint import footprint
from .machine import Section
from .network import Network, compile_package
from .toolchain import ToolchainName, compiler_name

Counted = Literal["instructions", "cycles"]
_KINDS: Mapping[Unit, Kind] = MappingProxyType({"instructions": "simulated", "cycles": "estimated", "ms": "estimated"})

NAME = "network"
"""Of packages that are made to be simulated."""


class CortexMSession(Session):
    """A network on a simulated core: for inputs of each size that a file leaves open, a package of its own."""

    def __init__(self, model: ModelFile, compiled: Callable[[Graph], Network], *, trace: bool) -> None:
        self._model, self._compiled, self._traced = model, compiled, trace
        self._networks: dict[tuple[Shape, ...], Network] = {}

    def network(self, inputs: Sequence[Array]) -> Network:
        """The network for inputs of these sizes. Raises EdgebnnError where there can be none."""
        shapes = tuple(values.shape for values in inputs)
        return self._networks.get(shapes) or self.prepare(self._model.graph_for(inputs))

    def prepare(self, graph: Graph) -> Network:
        """Compile the network for the sizes of ``graph``."""
        network = self._compiled(graph)
        self._networks[tuple(graph.tensors[index].shape for index in graph.inputs)] = network
        return network

    def run(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        return self.network(inputs).infer(inputs).outputs

    def trace(self, inputs: Sequence[Array]) -> dict[int, Array]:
        if not self._traced:
            raise ValueError("open the session with trace=True")
        network = self.network(inputs)
        package = network.package
        tensors = package.graph.tensors
        found = dict(zip(package.graph.inputs, inputs, strict=True))
        found |= {i: tensor.data for i, tensor in enumerate(tensors) if tensor.data is not None}

        def keep(layer: int) -> None:
            for index, offset in package.layers[layer].outputs:
                if offset is not None:
                    content = network.read_arena(offset, tensors[index].bytes)
                    found[index] = np.frombuffer(content, tensors[index].dtype.numpy).reshape(tensors[index].shape)

        outputs = network.infer(inputs, keep).outputs
        found |= {argument.index: value for argument, value in zip(package.outputs, outputs, strict=True)}
        return _with_aliases(package, found)

    def profile(self, inputs: Sequence[Array], unit: Counted, wait_states: int) -> Profile:
        """What each layer costs: exact instructions, or an estimate of cycles."""
        network = self.network(inputs)
        inference = network.infer(inputs)
        model = CYCLE_MODELS[network.package.core.name]

        def cost(section: Section) -> int:
            if unit == "instructions":
                return section.instructions
            return estimate(section.blocks, model, network.disassembled, wait_states)

        values = [cost(section) for section in inference.layers]
        around = sum(cost(section) for section in inference.around)
        total = sum(values) + around
        places = _places(self._model.graph)
        entries = [
            OpProfile(
                index=places[layer.outputs[0][0]],
                op=layer.kind,
                name=layer.name,
                value=value,
                share=value / total,
                kernel=layer.function,
                members=(places[layer.outputs[0][0]],),
            )
            for layer, value in zip(network.package.layers, values, strict=True)
        ]
        entries.append(OpProfile(-1, INTERPRETER, "around the layers", around, around / total))
        return Profile(_KINDS[unit], unit, total, tuple(entries))


class CortexMTarget(Target):
    """A simulated core, or a board: the core and what memory it has.

    EDGEBNN_MCU_COMPILER=gcc compiles by arm-none-eabi-gcc.
    """

    unit: Unit
    is_microcontroller = True

    def __init__(self, name: str, unit: Unit = "instructions", wait_states: int = 0) -> None:
        """Raises BuildError where there is no compiler."""
        self.board = None if name in CORES else board(name)
        self.core = CORES[self.board.core if self.board else name]
        self.name = name
        self.device = f"{self.core.title} in unicorn, code of {compiler_name(_toolchain())}"
        self.unit, self.kind = unit, _KINDS[unit]
        self._wait_states = wait_states
        if unit != "instructions":
            self.device += f", cycles by a model with {wait_states} wait states"
        if unit == "ms" and self.board:
            self.device += f" at {self.board.clock_mhz:g} MHz of {self.board.title}"

    def in_unit(self, unit: Unit, wait_states: int = 0) -> CortexMTarget:
        if unit == "ms" and self.board is None:
            raise InputError(
                f"{self.name}: has no clock; choose a board (edgebnn targets), or divide cycles by the clock of yours"
            )
        if unit == "instructions" and wait_states:
            raise InputError(f"{self.name}: wait states change no count of instructions; ask for cycles")
        return CortexMTarget(self.name, unit, wait_states)

    @property
    def scheduled_as(self) -> str:
        return self.core.name

    def open(self, model: ModelFile, *, threads: int = 1, exact: bool = False, trace: bool = False) -> CortexMSession:
        if threads != 1:
            raise InputError(f"{self.name}: has one core; leave --threads at 1")
        session = CortexMSession(model, lambda graph: self.fitting(model, graph), trace=trace)
        if not open_sizes(model.graph):  # which else the inputs tell
            session.prepare(model.graph)
        return session

    def fitting(self, model: ModelFile, graph: Graph) -> Network:
        """The network, which fits the board if there is one. Raises InputError where it does not, saying what takes how
        much."""
        network = self._compiled(model, graph)
        limits, image, package = self.limits, network.image, network.package
        outside = sum(argument.tensor.bytes for argument in (*package.inputs, *package.outputs))
        for what, needed, there in (
            ("flash", image.flash_bytes, limits.flash),
            ("RAM, without the stack,", image.ram_bytes + outside, limits.ram),
        ):
            if there is not None and needed > there:
                raise InputError(
                    f"{model.name}: takes {needed:,} bytes of {what} of {there:,} on {self.name}; "
                    f"edgebnn analyze --target {self.name} says what to change"
                )
        return network

    @property
    def limits(self) -> Limits:
        """The memory of the board; none of a core alone."""
        return Limits(self.board.flash_bytes, self.board.ram_bytes) if self.board else Limits()

    def measure(self, model: ModelFile, inputs: Sequence[Array], *, threads: int = 1, repeats: int = 30) -> Profile:
        """Of one inference: ``repeats`` would all be the same."""
        session = self.open(model, threads=threads)
        if self.unit != "ms":
            return session.profile(inputs, self.unit, self._wait_states)
        assert self.board is not None
        return _as_times(session.profile(inputs, "cycles", self._wait_states), self.board.clock_mhz)

    def footprint(self, model: ModelFile, inputs: Sequence[Array], limits: Limits) -> Footprint:
        """It may take more than there is. ``inputs``: for the stack that an inference uses."""
        own = self.limits
        limits = Limits(limits.flash or own.flash, limits.ram or own.ram)
        graph = model.graph_for(inputs)
        network = self._compiled(model, graph)
        stack = network.infer(inputs).call.stack_bytes
        return footprint(self.name, graph, network.package, network.image, stack, limits)

    def _compiled(self, model: ModelFile, graph: Graph) -> Network:
        try:
            package = generate(graph, self.core, NAME, model.schedules_on(self.core.name))
            return Network(package, compile_package(package, toolchain=_toolchain()))
        except EdgebnnError as error:
            prefixed = str(error) if str(error).startswith(model.name) else f"{model.name}: {error}"
            raise type(error)(prefixed) from None


def _toolchain() -> ToolchainName:
    """Raises InputError where the environment names another one."""
    named = os.environ.get("EDGEBNN_MCU_COMPILER", "zig")
    if named == "gcc":
        return "gcc"
    if named != "zig":
        raise InputError(f"EDGEBNN_MCU_COMPILER={named}: choose zig or gcc")
    return "zig"


def _as_times(profile: Profile, mhz: float) -> Profile:
    """Cycles as milliseconds at a clock."""
    per_ms = mhz * 1000
    ops = tuple(replace(op, value=op.value / per_ms) for op in profile.ops)
    return replace(profile, unit="ms", total=profile.total / per_ms, ops=ops)


def _places(graph: Graph) -> dict[int, int]:
    """The op that makes each tensor, by its index in the file: packages leave ops out and reorder them."""
    return {tensor: index for index, op in enumerate(graph.ops) for tensor in op.outputs}


def _with_aliases(package: Package, found: Mapping[int, Array]) -> dict[int, Array]:
    """Tensors with those that are the same bytes under another shape: of what is known, and what it is known from."""
    result, tensors = dict(found), package.graph.tensors
    pairs = package.roots.items()
    for known, other in (*pairs, *((root, alias) for alias, root in pairs)):
        if known in result and other not in result:
            result[other] = result[known].reshape(tensors[other].shape)
    return result
