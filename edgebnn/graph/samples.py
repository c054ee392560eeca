"""What the arrays of one call mean: how many samples they hold, and how a model takes and gives them.

A model computes every sample as if it were alone. Its inputs have the samples in front ([N, ...]) where all of them
agree on a first dimension: 1, or the file's own batch of more, or an open one. An input that does not, such as the
state [2, 1, 8] beside an image [1, 32, 32, 3], is no batch: it is given in the file's own shape, one value for all
samples, or stacked, one for each. Outputs whose first dimension is the batch are joined along it, all others are
stacked, so that one number a sample gives an array [N].
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from edgebnn.errors import InputError, InputWarning

from .opdef import Axes
from .types import Array, Graph, Shape

Run = tuple[Array, ...]
"""The arrays of one run of the model."""


@dataclass(frozen=True)
class Form:
    """What an input takes or an output gives.

    ``shape`` is the file's; ``signature`` has -1 where the file leaves a dimension open. ``samples``: the first axis
    is that of the samples.
    """

    name: str
    shape: Shape
    signature: Shape
    samples: bool

    @cached_property
    def dimensions(self) -> Shape:
        """The file's shape, -1 where any size is taken."""
        if len(self.signature) != len(self.shape):
            return self.shape
        return tuple(-1 if signed < 0 else size for size, signed in zip(self.shape, self.signature, strict=True))

    @property
    def takes(self) -> str:
        """The shapes that it takes, in words."""
        own = ["any" if d < 0 else str(d) for d in self.dimensions]
        if self.samples:
            return f"({', '.join(['batch', *own[1:]])})"
        return f"({', '.join(own)}), or (batch, {', '.join(own)})" if own else "(), or (batch,)"

    def is_own(self, shape: Shape) -> bool:
        """Whether an array of ``shape`` has the file's own."""
        return _matches(shape, self.dimensions)

    def fits(self, shape: Shape) -> bool:
        """Whether an array of ``shape`` holds samples for it, or what all samples share."""
        if self.samples:
            return len(shape) == len(self.shape) and _matches(shape[1:], self.dimensions[1:])
        return self.is_own(shape) or _matches(shape[1:], self.dimensions)


def _matches(shape: Shape, wanted: Shape) -> bool:
    return len(shape) == len(wanted) and all(want in (-1, have) for have, want in zip(shape, wanted, strict=True))


def with_samples(forms: Sequence[Form]) -> tuple[bool, ...]:
    """Of each input of a model whether its first axis is that of the samples."""
    leads = [form.dimensions[0] if form.shape else None for form in forms]
    if len(set(leads)) == 1 and leads[0] is not None:
        return (True,) * len(leads)
    return tuple(lead in (1, -1) for lead in leads)


def inputs_of(graph: Graph) -> tuple[Form, ...]:
    """The forms of a graph's inputs."""
    plain = _forms(graph, graph.inputs)
    return tuple(replace(form, samples=own) for form, own in zip(plain, with_samples(plain), strict=True))


def _forms(graph: Graph, indices: Iterable[int]) -> tuple[Form, ...]:
    tensors = [graph.tensors[index] for index in indices]
    return tuple(Form(t.name, t.shape, t.shape_signature or t.shape, True) for t in tensors)


Independent = Callable[[tuple[Shape, ...], tuple[bool, ...]], Axes | None]
"""(shapes of a run's inputs, which of them hold several samples) -> the axes of the outputs along which the samples
lie, each 0 or None where all share one value; None if they are not known to be independent of each other."""


@dataclass(frozen=True)
class Part:
    """The inputs of one run, and how many samples of the call they are. ``axes``: those of the outputs along which the
    samples lie, where there are several."""

    arrays: Run
    samples: int
    axes: Axes | None = None


@dataclass(frozen=True)
class Call:
    """The arrays of one call, checked.

    samples: how many there are. batch: how many the file takes at a time. counted: which arrays hold one entry for each
    sample; the others are shared. stacked: which of them have an axis in front that the file does not know. whole: the
    arrays have the file's own shapes, one of which is no batch: the outputs are given in the file's own shapes too.
    opened: the file leaves the number of samples open. sequence: the inputs are vectors of an open length.
    """

    model: str
    arrays: Run
    samples: int
    batch: int
    counted: tuple[bool, ...]
    stacked: tuple[bool, ...]
    whole: bool
    opened: bool
    sequence: bool

    def parts(self, independent: Independent, most: int) -> tuple[list[Part], bool]:
        """The inputs of each run, and whether there is one whose outputs are given as they are.

        Args:
            independent: says for which shapes samples may run together.
            most: samples of one run, at most, where the file takes any number.

        Raises:
            InputError: the file takes several samples at a time, which influence each other, and another number is
                given.
        """
        if self.whole or (self.batch > 1 and self.samples == self.batch):
            return [Part(self.arrays, self.samples)], True
        sizes = self._sizes(independent, most)
        if sizes is None and self.batch > 1:
            raise InputError(
                f"{self.model}: takes {self.batch} samples at a time, which may influence each other, "
                f"and {self.samples} are given; give {self.batch}"
            )
        if sizes is None and self.sequence:  # not a batch of single numbers
            return [Part(self.arrays, self.samples)], True
        if sizes is None and self.opened and self.samples > 1:
            warnings.warn(
                f"{self.model}: its samples are not known to be independent, so each of the {self.samples} is run "
                "alone; where the open first axis is no batch, run the array as it is with invoke",
                InputWarning,
                stacklevel=4,
            )
        found, start = [], 0
        for size, axes in sizes or [(1, None)] * self.samples:
            found.append(Part(self._part(start, size), min(size, self.samples - start), axes))
            start += size
        return found, False

    def run(
        self,
        independent: Independent,
        runs: Callable[[list[Part]], Iterable[Sequence[Array]]],
        most: int,
    ) -> tuple[Array, ...]:
        """The outputs for all samples; ``runs`` gives the outputs of each part, in their order.

        Raises what :meth:`parts` raises, and InputError where an output has another shape for each sample.
        """
        parts, whole = self.parts(independent, most)
        if whole:
            (outputs,) = runs(parts)
            return tuple(outputs)
        found = [_split(outputs, part) for outputs, part in zip(runs(parts), parts, strict=True)]
        columns = (_joined(self.model, column) for column in zip(*found, strict=True))
        return tuple(column[: self.samples] if len(column) > self.samples else column for column in columns)

    def _sizes(self, independent: Independent, most: int) -> list[tuple[int, Axes | None]] | None:
        """The samples of each run and how its outputs hold them, None if they must run one at a time."""
        if self.batch > 1:
            axes = self._axes(independent, self.batch)
            full = axes is not None and all(axis == 0 for axis in axes)
            return [(self.batch, axes)] * -(-self.samples // self.batch) if full else None
        if any(self.stacked):
            return None
        sizes = [min(most, self.samples - start) for start in range(0, self.samples, most)]
        known = {size: None if size == 1 else self._axes(independent, size) for size in set(sizes)}
        if any(axes is None for size, axes in known.items() if size > 1):
            return None
        return [(size, known[size]) for size in sizes]

    def single(self) -> tuple[Shape, ...]:
        """The shapes of the inputs for one sample, or for as many as the file takes at a time."""
        return tuple(array.shape for array in self._part(0, self.batch))

    def _axes(self, independent: Independent, size: int) -> Axes | None:
        return independent(tuple(array.shape for array in self._part(0, size)), self.counted)

    def _part(self, start: int, size: int) -> Run:
        """The inputs of the run that begins with sample ``start``; where there are too few, the last one repeats."""
        if size == self.samples and not any(self.stacked):
            return self.arrays
        indices = np.minimum(np.arange(start, start + size), self.samples - 1)
        ends = slice(start, start + size) if indices[-1] == start + size - 1 else indices
        return tuple(
            array if not counted else array[start] if stacked else array[ends]
            for array, counted, stacked in zip(self.arrays, self.counted, self.stacked, strict=True)
        )


def call(model: str, forms: Sequence[Form], arrays: Sequence[Array]) -> Call:
    """The arrays of one call, which fit their forms one by one (:meth:`Form.fits`).

    Raises:
        InputError: they hold different numbers of samples.
    """
    alike = all(form.samples for form in forms)
    lead = forms[0].dimensions[0] if alike and forms else 1
    stacked = tuple(not f.samples and len(a.shape) > len(f.shape) for f, a in zip(forms, arrays, strict=True))
    counted = tuple(f.samples or s for f, s in zip(forms, stacked, strict=True))
    if not alike:  # one sample of an input is for all, if there are several of another
        several = any(len(array) > 1 or s for array, c, s in zip(arrays, counted, stacked, strict=True) if c)
        counted = tuple(
            c and (s or not several or len(a) > 1) for c, s, a in zip(counted, stacked, arrays, strict=True)
        )
    sizes = {len(array) for array, c in zip(arrays, counted, strict=True) if c}
    if len(sizes) > 1:
        raise InputError(f"{model}: inputs of different batch sizes {sorted(sizes)}")
    opened = any(form.dimensions[:1] == (-1,) for form in forms)
    own = all(form.is_own(array.shape) for form, array in zip(forms, arrays, strict=True))
    return Call(
        model=model,
        arrays=tuple(arrays),
        samples=next(iter(sizes), 1),
        batch=max(1, lead),
        counted=counted,
        stacked=stacked,
        whole=not forms or (own and not alike and not opened),
        opened=opened,
        sequence=bool(forms) and all(len(form.shape) == 1 and form.dimensions == (-1,) for form in forms),
    )


def _split(outputs: Sequence[Array], part: Part) -> list[tuple[Array, bool]]:
    """Each output of a run, and whether its first axis is that of the samples."""
    if part.axes is None:
        return [(output, _leads(output)) for output in outputs]
    return [
        (output if axis == 0 else np.repeat(output if _leads(output) else output[None], part.samples, axis=0), True)
        for output, axis in zip(outputs, part.axes, strict=True)
    ]


def _leads(output: Array) -> bool:
    """Whether the first axis of one sample's output is that of the samples."""
    return output.shape[:1] == (1,)


def _joined(model: str, column: Sequence[tuple[Array, bool]]) -> Array:
    if len(column) == 1:
        output, leads = column[0]
        return output if leads else output[None]
    if len({output.shape[1 if samples else 0 :] for output, samples in column}) > 1:
        raise InputError(f"{model}: an output has another shape for each sample; give one sample at a time")
    return np.concatenate([output if samples else output[None] for output, samples in column])
