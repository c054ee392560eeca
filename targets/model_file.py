"""A model as targets take it: the bytes of a file and the graph read from them; and a session: it, on a target."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from edgebnn.converters.write_tflite import to_bytes
from edgebnn.errors import EdgebnnError, ModelFormatError, UnsupportedOpError
from edgebnn.files import unreadable
from edgebnn.graph import consistency, flatbuffer
from edgebnn.graph.tflite import parse
from edgebnn.graph.types import Array, Graph, Shape
from edgebnn.kernels.given_schedules import GivenSchedule, given_schedule
from edgebnn.kernels.schedules import LayerSchedule
from edgebnn.runtime import timing
from edgebnn.runtime.entries import alike, choose, entries
from edgebnn.runtime.model import Model, load
from edgebnn.runtime.port import Port
from edgebnn.runtime.power import Energy
from edgebnn.runtime.timing import PairedTimes, Times


@dataclass(frozen=True)
class ModelFile:
    """``name`` is what messages call the model. ``made_from``: the graph that the bytes were written from, if any.
    ``signature``: which graph of the file is meant, if it has several. ``given``: the schedule to follow, if any."""

    name: str
    content: bytes
    made_from: Graph | None = None
    signature: str | None = None
    given: GivenSchedule | None = None

    @property
    def schedule_path(self) -> str | None:
        """The file of the schedule to follow."""
        return None if self.given is None else self.given.path

    def schedules_on(self, hardware: str) -> tuple[LayerSchedule, ...]:
        """What is to be followed on ``hardware``."""
        return self.given.schedule.layers if self.given is not None and self.given.holds_on(hardware) else ()

    @cached_property
    def graph(self) -> Graph:
        """The file in the IR, which validating, counting and the reference executor need; running does not.

        Raises:
            UnsupportedOpError, ModelFormatError: the IR does not hold it.
        """
        return self._parsed(()) if self.made_from is None else self._as_called(self.made_from)

    def graph_for(self, inputs: Sequence[Array]) -> Graph:
        """The graph for inputs of these shapes, which the file may leave open. Raises as :attr:`graph` does."""
        shapes = tuple(values.shape for values in inputs)
        if shapes not in self._sized:
            graph = self.graph if shapes == self._shapes else self._parsed(shapes)
            self._sized.clear()  # a validation has one shape at a time
            self._sized[shapes] = graph
        return self._sized[shapes]

    @cached_property
    def inputs(self) -> tuple[Port, ...]:
        """What LiteRT says of the inputs. Raises EdgebnnError where it refuses the file."""
        return self._loaded.inputs

    @cached_property
    def arguments(self) -> tuple[str, ...]:
        """The signature's names of the inputs; those of the tensors where there is no signature."""
        return self._loaded.arguments or tuple(port.name for port in self.inputs)

    @cached_property
    def outputs(self) -> tuple[Port, ...]:
        """What LiteRT says of the outputs. Raises EdgebnnError where it refuses the file."""
        return self._loaded.outputs

    @cached_property
    def _loaded(self) -> Model:
        try:
            return load(self.content, signature=self.signature)
        except EdgebnnError as error:
            raise type(error)(str(error).replace("model_content", self.name, 1)) from None

    @cached_property
    def _shapes(self) -> tuple[Shape, ...]:
        return tuple(port.shape for port in self.inputs)

    @cached_property
    def _sized(self) -> dict[tuple[Shape, ...], Graph]:
        return {}

    def _parsed(self, shapes: tuple[Shape, ...]) -> Graph:
        try:
            return self._as_called(parse(self.content, self.name, shapes))
        except (UnsupportedOpError, ModelFormatError) as error:
            raise type(error)(
                f"{error}. This is what edgebnn reads of models: LiteRT may run the file all the same"
            ) from None

    def _as_called(self, graph: Graph) -> Graph:
        """With the outputs of the signature, which may leave out some of the graph's; with all of them where there are
        several signatures and none is meant."""
        found = entries(self.content)
        if self.signature is None and not alike(found):
            return graph
        chosen = choose(found, self.signature, self.name)
        own = tuple(signature for signature in graph.signatures if signature.key == chosen.signature)
        return replace(graph, outputs=chosen.outputs, signatures=own)


def open_model(
    source: str | Path | Graph | ModelFile, signature: str | None = None, schedule: Path | None = None
) -> ModelFile:
    """A model file, checked as far as LiteRT needs it, or a graph as the file it would be written to.

    Args:
        source: the file, or what it is made from.
        signature: which graph of a file is meant that has several.
        schedule: a file of schedules for it; by default ``MODEL.schedule.json`` beside ``MODEL.tflite``, if there.

    Returns:
        The file's content, and what is asked of it.

    Raises:
        InputError: there is no such file, it cannot be read, or the schedule is none of this model.
        ModelFormatError: it is truncated, corrupt or inconsistent.
    """
    if isinstance(source, ModelFile):
        return source
    if isinstance(source, Graph):
        return ModelFile(source.name or "graph", to_bytes(source), source)
    try:
        content = Path(source).read_bytes()
    except (OSError, ValueError) as error:
        raise unreadable(source, error) from None
    flatbuffer.check(content, str(source))
    consistency.check(content, str(source))
    return ModelFile(str(source), content, signature=signature, given=given_schedule(Path(source), content, schedule))


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

    def times(self, inputs: Sequence[Array], repeats: int) -> Times:
        """The time of whole inferences, taken where they run.

        Args:
            inputs: like those of the last run.
            repeats: inferences that are timed.

        Returns:
            Their times in milliseconds.
        """
        return timing.measure(lambda: self.repeat(inputs), repeats)

    def times_against(
        self, inputs: Sequence[Array], other: Session, other_inputs: Sequence[Array], repeats: int
    ) -> PairedTimes:
        """The times of this session's inferences and of another's, on the same target, taken in turn.

        Args:
            inputs: like those of this session's last run.
            other: the other session.
            other_inputs: like those of its last run.
            repeats: pairs that are timed.

        Returns:
            The times of both in milliseconds, and their ratio.
        """
        return timing.paired(lambda: self.repeat(inputs), lambda: other.repeat(other_inputs), repeats)

    def energy(self, inputs: Sequence[Array], seconds: float) -> Energy | None:
        """What inferences take by the device's meter.

        Args:
            inputs: like those of the last run.
            seconds: of inferences, one after the other.

        Returns:
            Their energy, measured; None where there is no meter.
        """
        return None

    @abstractmethod
    def trace(self, inputs: Sequence[Array]) -> dict[int, Array]:
        """One inference, giving every tensor that the target can show, by its index in the graph."""
