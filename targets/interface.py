"""What a target is: something that a model can be put on, run on and measured on.

Every target answers :meth:`Target.open` and :meth:`Target.measure`; checking against the reference is written once,
over them.
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from edgebnn import machine
from edgebnn.errors import InputError, InputWarning, one_line
from edgebnn.graph.types import Array, Graph
from edgebnn.runtime.conditions import Conditions
from edgebnn.runtime.profile import Kind, Profile, Unit

from .footprint import Footprint, Limits
from .inputs import samples
from .model_file import ModelFile, Session, open_model
from .validate import DEFAULT_TOLERANCE, Validation, validate


class Target(ABC):
    """A place where models run.

    Attributes:
        name: as :func:`edgebnn.target` takes it.
        device: which machine its figures hold for.
        kind: what its figures are: "measured", "emulated", "simulated" or "estimated".
        unit: of its figures.
        boot: what the machine that it measures on is known by until it starts anew; empty where none is measured on.
        is_microcontroller: whether it has flash and RAM, of which a model takes a part.
    """

    name: str
    device: str
    kind: Kind
    unit: Unit = "ms"
    boot: str = ""
    is_microcontroller = False

    def in_unit(self, unit: Unit, wait_states: int = 0) -> Target:
        """The target with figures in another unit.

        Args:
            unit: "ms", "instructions" or "cycles".
            wait_states: of the flash, where cycles are estimated.

        Returns:
            The target, whose figures are in that unit.

        Raises:
            InputError: it has no such figures.
        """
        if unit != self.unit or wait_states:
            raise InputError(
                f"{self.name}: tells {self.unit}; only simulated cores tell instructions, and cycles, and emulated "
                "devices (qemu-aarch64, qemu-armv7) tell instructions"
            )
        return self

    @property
    def scheduled_as(self) -> str:
        """The machine that schedules for this target name; empty: its kernels follow none."""
        return ""

    def with_schedule(self, model: ModelFile) -> ModelFile:
        """``model`` without its schedule if that only lay beside the file, for another machine, which is warned of.

        Raises:
            InputError: a schedule was asked for, and kernels here follow none.
        """
        given = model.given
        if given is None:
            return model
        if given.asked and not self.scheduled_as:
            raise InputError(f"{given.path}: kernels on {self.name} follow no schedule; leave --schedule out")
        if given.holds_on(self.scheduled_as):
            return model
        remedy = "; --schedule has it followed all the same" if self.scheduled_as else ""
        made_for = one_line(given.schedule.hardware)
        warnings.warn(f"{given.path}: not followed on {self.name}: it is for {made_for}{remedy}", InputWarning, 2)
        return replace(model, given=None)

    @abstractmethod
    def open(self, model: ModelFile, *, threads: int = 1, exact: bool = False, trace: bool = False) -> Session:
        """Put a model on the target.

        Args:
            model: the file.
            threads: of every op.
            exact: run the ops that are not edgebnn's on TFLite's reference kernels, which are slow and bit-exact.
            trace: keep inner tensors.

        Returns:
            The model there, ready to run.

        Raises:
            EdgebnnError: the model cannot run there.
        """

    @abstractmethod
    def measure(self, model: ModelFile, inputs: Sequence[Array], *, threads: int = 1, repeats: int = 30) -> Profile:
        """The cost of one inference, by op.

        Args:
            model: the file.
            inputs: an array for each input, in the model's own shapes and dtypes.
            threads: of every op.
            repeats: inferences that are timed.

        Returns:
            The cost of each op, in the unit and of the kind that it names.

        Raises:
            EdgebnnError: the model cannot run there.
        """

    def close(self) -> None:
        """Ends what it holds open: connections, and processes on a device."""
        return

    def conditions(self) -> Conditions | None:
        """What the device is under at this moment; None where it is not measured on."""
        return None

    def fingerprint(self) -> dict[str, str]:
        """What tells the device from others."""
        return {"device": self.device}

    def versions(self) -> dict[str, str]:
        """What computes there: edgebnn, LiteRT, NumPy and Python."""
        return machine.versions()

    @contextmanager
    def pinned(self, processors: tuple[int, ...]) -> Iterator[None]:
        """Sessions that are opened within run on these processors alone; on any, if none are named.

        Raises:
            InputError: they are none of the device's, or it cannot pin.
        """
        if processors:
            raise InputError(f"{self.name}: does not pin to processors")
        yield

    def footprint(self, model: ModelFile, inputs: Sequence[Array], limits: Limits) -> Footprint:
        """What the model takes of flash and RAM.

        Args:
            model: what is to run.
            inputs: of one inference.
            limits: what there is; where it names nothing, that of the target.

        Returns:
            Bytes of flash and RAM, by layer and in all.

        Raises:
            InputError: the target is no microcontroller.
            EdgebnnError: the model cannot be compiled for it.
        """
        raise InputError(f"{self.name}: is no microcontroller; choose one of those (edgebnn targets)")

    def profile(
        self, model: str | Path | Graph | ModelFile, *images: Array, threads: int = 1, repeats: int = 30
    ) -> Profile:
        """The cost of one inference, by op.

        Args:
            model: what runs.
            images: for each input an array [N, ...], of which the first sample is taken; noise if none are given.
            threads: of every op.
            repeats: inferences that are timed.

        Returns:
            The cost of each op, in the unit and of the kind that it names.

        Raises:
            EdgebnnError: the model cannot be read or run, or ``images`` do not fit.
        """
        file = open_model(model)
        return self.measure(file, next(samples(file, images, 1)), threads=threads, repeats=repeats)

    def validate(
        self,
        model: str | Path | Graph | ModelFile,
        *images: Array,
        count: int = 10,
        tolerance: float = DEFAULT_TOLERANCE,
        layers: bool = False,
        threads: int = 1,
    ) -> Validation:
        """Compare with the reference executor: see :mod:`.validate`.

        Args:
            model: what runs.
            images: for each input an array [N, ...]; noise if none are given.
            count: samples that are compared, at most.
            tolerance: of float outputs, as a share of their range.
            layers: compare every layer, too.
            threads: of every op.

        Returns:
            Whether they agree, and if not, from which layer on.

        Raises:
            EdgebnnError: the model cannot be read or run, or ``images`` do not fit.
        """
        file = open_model(model)
        return validate(self.open, self.name, file, samples(file, images, count), tolerance, layers, threads)
