"""This machine as a target: LiteRT with edgebnn's delegate."""

from __future__ import annotations

from collections.abc import Sequence

from edgebnn import machine
from edgebnn.errors import InputError, one_line
from edgebnn.graph.types import Array, Shape
from edgebnn.runtime.exact import open_exact
from edgebnn.runtime.interpreter import Interpreter
from edgebnn.runtime.profile import Profile

from .interface import Target
from .model_file import ModelFile
from .session import Session


class HostSession(Session):
    """A LiteRT interpreter with the delegate."""

    def __init__(self, model: ModelFile, *, threads: int, exact: bool, trace: bool) -> None:
        self._name = model.name
        self._traced = trace
        open_interpreter = open_exact if exact else Interpreter
        self._interpreter = open_interpreter(
            model_content=model.content, num_threads=threads, experimental_preserve_all_tensors=trace
        )
        self._inputs = [int(detail["index"]) for detail in self._interpreter.get_input_details()]
        self._outputs = [int(detail["index"]) for detail in self._interpreter.get_output_details()]
        self._shapes: list[Shape] = []

    @property
    def inexact(self) -> tuple[str, ...]:
        return self._interpreter.inexact

    def run(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        self._invoke(inputs)
        return tuple(self._interpreter.get_tensor(index) for index in self._outputs)

    def trace(self, inputs: Sequence[Array]) -> dict[int, Array]:
        if not self._traced:
            raise ValueError("open the session with trace=True")
        self._invoke(inputs)
        shown = [*self._inputs, *(index for node in self._interpreter.nodes() for index in node.outputs)]
        return {index: self._interpreter.get_tensor(index) for index in shown}

    def profile(self, inputs: Sequence[Array], repeats: int) -> Profile:
        self._invoke(inputs)
        profile: Profile = self._interpreter.profile(repeats)
        return profile

    def _invoke(self, inputs: Sequence[Array]) -> None:
        shapes = [value.shape for value in inputs]
        try:
            if shapes != self._shapes:
                for index, shape in zip(self._inputs, shapes, strict=True):
                    self._interpreter.resize_tensor_input(index, shape)
                self._interpreter.allocate_tensors()
                self._shapes = shapes
            for index, value in zip(self._inputs, inputs, strict=True):
                self._interpreter.set_tensor(index, value)
            self._interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            why = " ".join(str(error).split())
            raise InputError(one_line(f"{self._name}: LiteRT cannot run it on these inputs: {why}")) from None


class HostTarget(Target):
    """The machine that this runs on."""

    def __init__(self) -> None:
        self.name = "host"
        self.device = machine.describe()
        self.kind = machine.timing_kind()

    def open(self, model: ModelFile, *, threads: int = 1, exact: bool = False, trace: bool = False) -> HostSession:
        return HostSession(model, threads=threads, exact=exact, trace=trace)

    def measure(self, model: ModelFile, inputs: Sequence[Array], *, threads: int = 1, repeats: int = 30) -> Profile:
        return self.open(model, threads=threads).profile(inputs, repeats)
