"""Several equal boards as one target: what is to be measured is shared out, and one that drops out is done without."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from edgebnn.errors import InputError, InputWarning
from edgebnn.graph.types import Array
from edgebnn.runtime.conditions import Conditions
from edgebnn.runtime.profile import Profile

from .interface import Target
from .linux.device import DeviceError
from .model_file import ModelFile, Session

Piece = TypeVar("Piece", bound=Hashable)
Figure = TypeVar("Figure")

SHARE = 2
"""Pieces that a board takes at a time: so many are lost with it, and measured again by another."""


class BoardsTogether(Target):
    """Equal boards. What is measured once, such as a whole network, is measured on the first that is there.

    Args:
        boards: at least one.

    Raises:
        InputError: they are not equal, so that figures of one would not hold for another; or two are one.
    """

    def __init__(self, boards: Sequence[Target]) -> None:
        first = boards[0]
        for index, board in enumerate(boards):
            _check_other(board, boards[:index])
            if (board.device, board.kind, board.unit) != (first.device, first.kind, first.unit):
                raise InputError(f"{first.name} is {first.device}, {board.name} is {board.device}: they must be equal")
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
    ) -> Iterator[dict[Piece, Figure]]:
        """Has the boards work on pieces side by side.

        Args:
            pieces: of work, each another.
            work: what a board makes of some of them: a figure for each.

        Yields:
            The figures of a board's share, as soon as it has them.

        Raises:
            DeviceError: the last board dropped out.
            EdgebnnError: as ``work`` does for another reason.
        """
        waiting = deque(pieces[begin : begin + SHARE] for begin in range(0, len(pieces), SHARE))
        idle, running = deque(self._boards), dict[Future[Sequence[Figure]], tuple[Target, Sequence[Piece]]]()
        pool = ThreadPoolExecutor(len(idle))
        try:
            while waiting or running:
                while waiting and idle:
                    board, part = idle.popleft(), waiting.popleft()
                    running[pool.submit(work, board, part)] = board, part
                for ended in wait(running, return_when=FIRST_COMPLETED).done:
                    board, part = running.pop(ended)
                    try:
                        figures = ended.result()
                    except DeviceError as error:
                        self._drop(board, error)
                        waiting.appendleft(part)
                    else:
                        idle.append(board)
                        yield dict(zip(part, figures, strict=True))
        finally:
            pool.shutdown(wait=False)  # whoever interrupts this does not wait for the shares under way

    def _drop(self, board: Target, error: DeviceError) -> None:
        """Goes on without a board. Raises ``error`` if it is the last one."""
        if len(self._boards) == 1:
            raise error
        self._boards.remove(board)
        warnings.warn(f"{board.name} dropped out, the others go on: {error}", InputWarning, stacklevel=3)


def _check_other(board: Target, before: Sequence[Target]) -> None:
    """Raises InputError if a board is one of those that were named before it, unless it counts: times alone are other
    ones where one machine measures two things at once."""
    remedy = "it measures one thing at a time; name each board once"
    for other in before if board.unit == "ms" else ():
        if board.name == other.name:
            raise InputError(f"{board.name} is named twice: {remedy}")
        if board.boot and board.boot == other.boot:
            raise InputError(f"{other.name} and {board.name} are the same machine: {remedy}")
