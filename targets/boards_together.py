"""Several equal boards as one target: what is to be measured is shared out, and one that drops out is done without."""

from __future__ import annotations

import queue
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from edgebnn.errors import InputError, InputWarning
from edgebnn.graph.types import Array
from edgebnn.runtime.conditions import Conditions
from edgebnn.runtime.profile import Profile

from .interface import Target
from .linux.device import DeviceError
from .model_file import ModelFile, Session

Piece = TypeVar("Piece")
Figure = TypeVar("Figure")

SHARE = 2
"""Pieces that a board takes at a time: so many are lost with it, and measured again by another."""


class BoardsTogether(Target):
    """Equal boards. What is measured once, such as a whole network, is measured on the first that is there.

    Args:
        boards: at least one.

    Raises:
        InputError: they are not equal, so that figures of one would not hold for another.
    """

    def __init__(self, boards: Sequence[Target]) -> None:
        first, *others = boards
        for other in others:
            if (other.device, other.kind, other.unit) != (first.device, first.kind, first.unit):
                raise InputError(f"{first.name} is {first.device}, {other.name} is {other.device}: they must be equal")
        self.name = " + ".join(board.name for board in boards)
        self.device, self.kind, self.unit = first.device, first.kind, first.unit
        self._boards = list(boards)

    def open(self, model: ModelFile, *, threads: int = 1, exact: bool = False, trace: bool = False) -> Session:
        return self._boards[0].open(model, threads=threads, exact=exact, trace=trace)

    def measure(self, model: ModelFile, inputs: Sequence[Array], *, threads: int = 1, repeats: int = 30) -> Profile:
        while True:
            board = self._boards[0]
            try:
                return board.measure(model, inputs, threads=threads, repeats=repeats)
            except DeviceError as error:
                self._drop(board, error)

    def conditions(self) -> Conditions | None:
        return self._boards[0].conditions()

    def fingerprint(self) -> dict[str, str]:
        return self._boards[0].fingerprint()

    def versions(self) -> dict[str, str]:
        return self._boards[0].versions()

    def close(self) -> None:
        for board in self._boards:
            board.close()

    def share(
        self, pieces: Sequence[Piece], work: Callable[[Target, Sequence[Piece]], Sequence[Figure]]
    ) -> tuple[Figure, ...]:
        """Has the boards work on pieces side by side.

        Args:
            pieces: of work.
            work: what a board makes of some of them: a figure for each.

        Returns:
            A figure for each piece, whichever board it comes from.

        Raises:
            DeviceError: the last board dropped out.
            EdgebnnError: as ``work`` does for another reason.
        """
        waiting: queue.SimpleQueue[tuple[int, Sequence[Piece]]] = queue.SimpleQueue()
        for begin in range(0, len(pieces), SHARE):
            waiting.put((begin, pieces[begin : begin + SHARE]))
        found: dict[int, Sequence[Figure]] = {}

        def take_turns(board: Target) -> DeviceError | None:
            while True:
                try:
                    begin, part = waiting.get_nowait()
                except queue.Empty:
                    return None
                try:
                    found[begin] = work(board, part)
                except DeviceError as error:
                    waiting.put((begin, part))
                    return error

        while len(found) < (len(pieces) + SHARE - 1) // SHARE:  # again where the last one at work dropped out
            boards = list(self._boards)
            with ThreadPoolExecutor(len(boards)) as pool:
                for board, error in zip(boards, pool.map(take_turns, boards), strict=True):
                    if error is not None:
                        self._drop(board, error)
        return tuple(figure for begin in sorted(found) for figure in found[begin])

    def _drop(self, board: Target, error: DeviceError) -> None:
        """Goes on without a board. Raises ``error`` if it is the last one."""
        if len(self._boards) == 1:
            raise error
        self._boards.remove(board)
        warnings.warn(f"{board.name} dropped out, the others go on: {error}", InputWarning, stacklevel=3)
