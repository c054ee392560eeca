"""What a target is: something that a model can be put on, run on and measured on.

The host, a board over ssh, an emulator and a simulated microcontroller all answer these few calls; checking
and printing are written once, over them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgebnn.converters.read_tflite import read
from edgebnn.converters.write_tflite import to_bytes
from edgebnn.errors import InputError
from edgebnn.graph.types import Array, Graph
from edgebnn.runtime.profile import Profile


@dataclass(frozen=True)
class ModelFile:
    """A model as its bytes and as the graph read from them. ``name`` is what messages call it."""

    name: str
    content: bytes
    graph: Graph


def open_model(source: str | Path | Graph) -> ModelFile:
    """A model file, read and checked, or a graph as the file it would be written to. Raises EdgebnnError."""
    if isinstance(source, Graph):
        return ModelFile(source.name or "graph", to_bytes(source), source)
    try:
        content = Path(source).read_bytes()
    except OSError as error:
        raise InputError(f"{source}: cannot be read ({error.strerror or error})") from None
    return ModelFile(str(source), content, read(content, name=str(source)))


class Session(ABC):
    """A model on a target, ready to run. Inputs and outputs have the model's own shapes and dtypes."""

    @abstractmethod
    def run(self, inputs: Sequence[Array]) -> tuple[Array, ...]:
        """One inference."""

    @abstractmethod
    def trace(self, inputs: Sequence[Array]) -> dict[int, Array]:
        """One inference, giving every tensor that the target can show, by its index in the graph."""


class Target(ABC):
    """A place where models run. ``device`` says which machine its figures hold for."""

    name: str
    device: str

    @abstractmethod
    def open(self, model: ModelFile, *, threads: int = 1, exact: bool = False, trace: bool = False) -> Session:
        """Put ``model`` on the target.

        With ``exact`` the ops that are not edgebnn's run on TFLite's reference kernels (slow, bit-exact);
        with ``trace`` inner tensors are kept. Raises EdgebnnError where the model cannot run there.
        """

    @abstractmethod
    def profile(self, model: ModelFile, inputs: Sequence[Array], *, threads: int = 1, repeats: int = 30) -> Profile:
        """The cost of one inference on ``inputs``, by op."""
