"""One graph of a file in an interpreter: run on arrays of any shapes that it takes, from its initial state or not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgebnn.errors import EdgebnnError, InputError, ModelFormatError
from edgebnn.graph.types import Array, Shape

from .entries import Entry, State, choose
from .interpreter import Interpreter
from .port import Port, input_ports, output_ports
from .profile import Profile

Outputs = list[NDArray[np.generic]]


class ShapeError(InputError):
    """The graph does not work with the shapes of its inputs."""


def open_runner(make: Callable[[], Interpreter], name: str, signature: str | None) -> Runner:
    """The graph of a file that is meant.

    Args:
        make: gives an interpreter of the file, its tensors not yet allocated.
        name: what messages call the file.
        signature: which graph, of a file that has several.

    Raises:
        InputError: there is no such signature, or several and none is named.
    """
    interpreter = make()
    states = dict(interpreter.source.entries)
    entry = choose(tuple(states), signature, name)
    return Runner(interpreter, make, name, entry, states[entry])


class Runner:
    """An interpreter and the graph in it that is run.

    Args:
        interpreter: of the file, its tensors not yet allocated.
        make: gives another.
        name: what messages call the file.
        entry: the graph.
        state: what it keeps between runs.
    """

    def __init__(
        self, interpreter: Interpreter, make: Callable[[], Interpreter], name: str, entry: Entry, state: State
    ) -> None:
        self.interpreter = interpreter
        self._make = make
        self._name = name
        self.entry = entry
        self.state = state
        self._shapes: tuple[Shape, ...] | None = None
        self._used = False
        described = self._described(0, entry.inputs), self._described(1, entry.outputs)
        self.inputs: tuple[Port, ...] = input_ports(described[0], self._quantizing())
        self.outputs: tuple[Port, ...] = output_ports(described[1])
        if not any(-1 in port.dimensions[1:] for port in self.inputs):
            self._allocate(tuple(port.shape for port in self.inputs))

    def another(self) -> Runner:
        """The same graph in another interpreter."""
        return Runner(self._make(), self._make, self._name, self.entry, self.state)

    def reset(self) -> None:
        """Begins anew from the initial state."""
        if self.state == "tensors":
            self.interpreter.reset_all_variables()
        elif self.state == "resources" and self._used:
            self._renew()

    def run(self, values: Sequence[Array], keep: bool = False) -> Outputs:
        """One run on values of the inputs' own dtypes, whose shapes the graph takes on.

        Args:
            values: an array for each input.
            keep: go on from the state that the last run left.

        Raises:
            ShapeError: the graph does not work with these shapes.
            InputError: it cannot take others than before without losing its state.
            ModelFormatError: LiteRT fails.
        """
        shapes = tuple(value.shape for value in values)
        if keep and self._used and self.state != "none" and shapes != self._shapes:
            raise InputError(f"{self._name}: a stream keeps the shapes it began with, {self._shapes}; got {shapes}")
        if not keep:
            try:
                self.reset()
            except RuntimeError as error:  # the state's own initial values can be beyond what LiteRT can hold
                raise self._failed(shapes, error) from None
        if shapes != self._shapes:
            self._allocate(shapes)
        self._used = True
        try:
            return self._invoke(values)
        except (EdgebnnError, RuntimeError, ValueError) as error:
            raise self._failed(shapes, error) from None

    def again(self, values: Sequence[Array]) -> Outputs:
        """One more run on arrays of the last run's shapes, from the state that it left, with nothing looked at: to be
        timed."""
        try:
            return self._invoke(values)
        except (EdgebnnError, RuntimeError, ValueError) as error:
            raise self._failed(tuple(value.shape for value in values), error) from None

    def profile(self, repeats: int) -> Profile:
        """Where the time goes of inferences on what the last run was given.

        Raises:
            InputError: the graph is not the first of its file.
        """
        if self.entry.subgraph:
            raise InputError(
                f"{self._name}: only the first graph of a file can be looked into, not '{self.entry.signature}'"
            )
        return self.interpreter.profile(repeats)

    def _allocate(self, shapes: tuple[Shape, ...]) -> None:
        self._shapes = shapes
        if self.entry.subgraph:  # its runner allocates
            return
        try:
            for port, shape in zip(self.inputs, shapes, strict=True):
                self.interpreter.resize_tensor_input(port.index, shape)
            self.interpreter.allocate_tensors()
        except (EdgebnnError, RuntimeError, ValueError) as error:
            raise self._failed(shapes, error) from None

    def _failed(self, shapes: tuple[Shape, ...], error: Exception) -> EdgebnnError:
        """What an error of LiteRT's means; the next run begins with a new interpreter."""
        self._renew()
        why = " ".join(str(error).split())
        if any(shape != port.shape or -1 in port.dimensions for port, shape in zip(self.inputs, shapes, strict=True)):
            listed = ", ".join(str(list(shape)) for shape in shapes)
            return ShapeError(f"{self._name}: does not run on inputs of shape {listed}: {why}")
        return (
            error if isinstance(error, EdgebnnError) else ModelFormatError(f"{self._name}: LiteRT cannot run it: {why}")
        )

    def _renew(self) -> None:
        self.interpreter = self._make()
        self._shapes = None
        self._used = False

    def _invoke(self, values: Sequence[Array]) -> Outputs:
        if self.entry.subgraph:
            runner = self.interpreter.get_signature_runner(self.entry.signature)
            named, given = self.entry.arguments
            results = runner(**dict(zip(named, values, strict=True)))
            return [results[name] for name in given]
        interpreter = self.interpreter
        for index, value in zip(self.entry.inputs, values, strict=True):
            interpreter.set_tensor(index, value)
        interpreter.invoke()
        return [interpreter.get_tensor(index) for index in self.entry.outputs]

    def _described(self, side: int, indices: tuple[int, ...]) -> list[dict[str, Any]]:
        """What LiteRT says of the inputs (side 0) or outputs (1)."""
        if self.entry.subgraph:
            runner = self.interpreter.get_signature_runner(self.entry.signature)
            found = runner.get_output_details() if side else runner.get_input_details()
            return [found[name] for name in self.entry.arguments[side]]
        listed = self.interpreter.get_output_details() if side else self.interpreter.get_input_details()
        by_index = {int(detail["index"]): detail for detail in listed}
        return [by_index[index] for index in indices]

    def _quantizing(self) -> list[tuple[int, dict[str, Any]]]:
        """The inputs of the ops QUANTIZE, with what LiteRT says of their outputs."""
        if self.entry.subgraph:
            return []
        details = {int(detail["index"]): detail for detail in self.interpreter.get_tensor_details()}
        return [
            (int(op["inputs"][0]), details[int(op["outputs"][0])])
            for op in self.interpreter._get_ops_details()
            if op["op_name"] == "QUANTIZE"
        ]
