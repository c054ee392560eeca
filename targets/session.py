"""A model on a target, ready to run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from edgebnn.graph.types import Array


class Session(ABC):
    """Inputs and outputs have the model's own shapes and dtypes.

    ``inexact``: of a session that was to be exact, the ops whose kernels are not.
    """

    @property
    def inexact(self) -> tuple[str, ...]:
        return ()

    @abstractmethod
    def run(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        """One inference, from the model's initial state."""

    def repeat(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        """One inference to be timed, on inputs like those of the last one, from whatever state that left."""
        return self.run(inputs)

    @abstractmethod
    def trace(self, inputs: Sequence[Array]) -> dict[int, Array]:
        """One inference, giving every tensor that the target can show, by its index in the graph."""
