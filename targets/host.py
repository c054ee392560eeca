"""This machine as a target: LiteRT with edgebnn's delegate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from edgebnn import machine
from edgebnn.errors import EdgebnnError
from edgebnn.graph.types import Array
from edgebnn.runtime import conditions, power
from edgebnn.runtime.conditions import Conditions
from edgebnn.runtime.exact import open_exact
from edgebnn.runtime.followed import HERE, followed
from edgebnn.runtime.interpreter import Interpreter
from edgebnn.runtime.power import Energy
from edgebnn.runtime.profile import Profile
from edgebnn.runtime.runner import open_runner

from .interface import Target
from .model_file import ModelFile, Session


class HostSession(Session):
    """A LiteRT interpreter with the delegate."""

    def __init__(self, model: ModelFile, *, threads: int, exact: bool, trace: bool) -> None:
        self._traced = trace
        open_interpreter = open_exact if exact else Interpreter
        schedule = followed(model.given, model.content, model.name)

        def make() -> Interpreter:
            return open_interpreter(
                model_content=model.content,
                num_threads=threads,
                experimental_preserve_all_tensors=trace,
                schedule=schedule,
            )

        try:
            self._runner = open_runner(make, model.name, model.signature)
        except EdgebnnError as error:  # the interpreter was given the content alone
            raise type(error)(str(error).replace("model_content", model.name, 1)) from None

    @property
    def inexact(self) -> tuple[str, ...]:
        return self._runner.interpreter.inexact

    def run(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        return tuple(self._runner.run(inputs))

    def repeat(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        return tuple(self._runner.again(inputs))

    def trace(self, inputs: Sequence[Array]) -> dict[int, Array]:
        if not self._traced:
            raise ValueError("open the session with trace=True")
        self._runner.run(inputs)
        interpreter = self._runner.interpreter
        shown = [*self._runner.entry.inputs, *(index for node in interpreter.nodes() for index in node.outputs)]
        return {index: interpreter.get_tensor(index) for index in shown}

    def energy(self, inputs: Sequence[Array], seconds: float) -> Energy | None:
        meter = power.find()
        self._runner.run(inputs)
        return None if meter is None else power.measure(meter, lambda: self.repeat(inputs), seconds)

    def profile(self, inputs: Sequence[Array], repeats: int) -> Profile:
        self._runner.run(inputs)
        return self._runner.profile(repeats)


class HostTarget(Target):
    """The machine that this runs on."""

    def __init__(self, name: str = "host") -> None:
        self.name = name
        self.device = machine.describe()
        self.kind = machine.timing_kind()
        self.boot = machine.boot() if self.kind == "measured" else ""

    def conditions(self) -> Conditions:
        return conditions.now()

    def fingerprint(self) -> dict[str, str]:
        return machine.fingerprint()

    @contextmanager
    def pinned(self, processors: tuple[int, ...]) -> Iterator[None]:
        with conditions.pinned(processors):
            yield

    @property
    def scheduled_as(self) -> str:
        return HERE

    def open(self, model: ModelFile, *, threads: int = 1, exact: bool = False, trace: bool = False) -> HostSession:
        return HostSession(model, threads=threads, exact=exact, trace=trace)

    def measure(self, model: ModelFile, inputs: Sequence[Array], *, threads: int = 1, repeats: int = 30) -> Profile:
        return self.open(model, threads=threads).profile(inputs, repeats)
