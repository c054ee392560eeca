"""This machine as a target: LiteRT with edgebnn's delegate."""

from __future__ import annotations

from collections.abc import Sequence

from edgebnn import machine
from edgebnn.graph.types import Array
from edgebnn.runtime.interpreter import Interpreter
from edgebnn.runtime.litert import OpResolverType
from edgebnn.runtime.profile import Profile

from .interface import Target
from .model_file import ModelFile
from .session import Session


class HostSession(Session):
    """A LiteRT interpreter with the delegate, its tensors allocated."""

    def __init__(self, model: ModelFile, *, threads: int, exact: bool, trace: bool) -> None:
        self._graph = model.graph
        self._traced = trace
        self._interpreter = Interpreter(
            model_content=model.content,
            num_threads=threads,
            experimental_op_resolver_type=OpResolverType.BUILTIN_REF if exact else OpResolverType.AUTO,
            experimental_preserve_all_tensors=trace,
        )
        self._interpreter.allocate_tensors()

    def run(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        for index, value in zip(self._graph.inputs, inputs, strict=True):
            self._interpreter.set_tensor(index, value)
        self._interpreter.invoke()
        return tuple(self._interpreter.get_tensor(index) for index in self._graph.outputs)

    def trace(self, inputs: Sequence[Array]) -> dict[int, Array]:
        if not self._traced:
            raise ValueError("open the session with trace=True")
        self.run(inputs)
        shown = [*self._graph.inputs, *(index for op in self._graph.ops for index in op.outputs)]
        return {index: self._interpreter.get_tensor(index) for index in shown}

    def profile(self, inputs: Sequence[Array], repeats: int) -> Profile:
        self.run(inputs)
        profile: Profile = self._interpreter.profile(repeats)
        return profile


class HostTarget(Target):
    """The machine that this runs on."""

    def __init__(self) -> None:
        self.name = "host"
        self.device = machine.describe()

    def open(self, model: ModelFile, *, threads: int = 1, exact: bool = False, trace: bool = False) -> HostSession:
        return HostSession(model, threads=threads, exact=exact, trace=trace)

    def measure(self, model: ModelFile, inputs: Sequence[Array], *, threads: int = 1, repeats: int = 30) -> Profile:
        return self.open(model, threads=threads).profile(inputs, repeats)
