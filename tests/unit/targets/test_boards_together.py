"""Equal boards that share work: each piece is done once, and those of a board that drops out by another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence

import pytest

from edgebnn.errors import EdgebnnError, InputError, InputWarning
from edgebnn.graph.types import Array
from edgebnn.runtime.profile import Profile
from edgebnn.targets.boards_together import SHARE, BoardsTogether
from edgebnn.targets.interface import Target
from edgebnn.targets.linux.device import ConnectionLostError, DeviceError
from edgebnn.targets.model_file import ModelFile, Session


class Board(Target):
    """A board that drops out after so many shares of work."""

    def __init__(self, name: str, shares: int = 1000, device: str = "Pi 5", boot: str = "") -> None:
        self.name, self.device, self.kind, self.boot = name, device, "measured", boot
        self.shares = shares
        self.done: list[int] = []

    def open(self, model: ModelFile, *, threads: int = 1, exact: bool = False, trace: bool = False) -> Session:
        raise NotImplementedError

    def measure(self, model: ModelFile, inputs: Sequence[Array], *, threads: int = 1, repeats: int = 30) -> Profile:
        if not self.shares:
            raise ConnectionLostError("the cable was pulled")
        return Profile("measured", "ms", 1.0, ())


def work(board: Target, part: Sequence[int]) -> Sequence[int]:
    assert isinstance(board, Board)
    if board.shares == 0:
        raise ConnectionLostError("the cable was pulled")
    board.shares -= 1
    board.done += part
    return [10 * piece for piece in part]


def shared(target: BoardsTogether, pieces: Sequence[int], how: Callable[..., Sequence[int]] = work) -> dict[int, int]:
    """All that the boards make of the pieces."""
    parts = list(target.share(pieces, how))
    found = {piece: figure for part in parts for piece, figure in part.items()}
    assert len(found) == sum(map(len, parts)), "a piece was done twice"
    return found


def test_boards_work_side_by_side() -> None:
    boards = [Board("a"), Board("b")]
    together = threading.Barrier(2, timeout=10)

    def work_together(board: Target, part: Sequence[int]) -> Sequence[int]:
        if part[0] < 2 * SHARE:  # the first two shares: neither goes on without the other
            together.wait()
        return work(board, part)

    assert shared(BoardsTogether(boards), range(11), work_together) == {piece: 10 * piece for piece in range(11)}
    assert boards[0].done
    assert boards[1].done
    assert sorted(boards[0].done + boards[1].done) == list(range(11))


@pytest.mark.parametrize("shares", [0, 1, 2])
def test_a_board_that_drops_out_costs_its_share_and_no_more(shares: int) -> None:
    boards = [Board("a", shares), Board("b")]
    target = BoardsTogether(boards)
    expected = {piece: 10 * piece for piece in range(9)}
    with pytest.warns(InputWarning, match="a dropped out, the others go on: the cable"):
        assert all(shared(target, range(9)) == expected for _ in range(20))  # whoever is faster
    assert len(boards[0].done) <= shares * SHARE
    assert shared(target, [1]) == {1: 10}
    assert target.measure(ModelFile("m", b""), ()).total == 1.0


def test_the_last_board_ends_it_and_other_errors_are_not_taken_for_a_drop() -> None:
    with pytest.raises(DeviceError, match="cable"), pytest.warns(InputWarning):
        shared(BoardsTogether([Board("a", 0), Board("b", 0)]), range(9))

    def refuse(board: Target, part: Sequence[int]) -> Sequence[int]:
        raise EdgebnnError("the model cannot run")

    with pytest.raises(EdgebnnError, match="cannot run"):
        shared(BoardsTogether([Board("a"), Board("b")]), range(9), refuse)


def test_an_interruption_does_not_wait_for_the_boards() -> None:
    is_left = threading.Event()

    def work_until_left(board: Target, part: Sequence[int]) -> Sequence[int]:
        if board.name == "slow":
            assert is_left.wait(10), "the interruption waits for what the board is doing"
        return part

    boards = [Board("slow"), Board("quick")]

    def interrupt() -> None:
        for _ in BoardsTogether(boards).share(range(9), work_until_left):
            raise KeyboardInterrupt

    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert time.monotonic() - begun < 5
    is_left.set()


def test_what_the_boards_had_finished_is_known_when_the_last_one_drops_out() -> None:
    found = dict[int, int]()

    def keep(parts: Iterable[dict[int, int]]) -> None:
        for part in parts:
            found.update(part)

    with pytest.raises(DeviceError, match="cable"), pytest.warns(InputWarning):
        keep(BoardsTogether([Board("a", 1), Board("b", 2)]).share(range(100), work))
    assert found == {piece: 10 * piece for piece in found}
    assert len(found) == 3 * SHARE


def test_boards_must_be_equal() -> None:
    with pytest.raises(InputError, match="a is Pi 5, b is Pi 4: they must be equal"):
        BoardsTogether([Board("a"), Board("b", device="Pi 4")])


def test_a_board_that_is_named_twice_is_refused() -> None:
    with pytest.raises(InputError, match=r"^b is named twice: it measures one thing at a time; name each board once$"):
        BoardsTogether([Board("a", boot="1"), Board("b", boot="2"), Board("b", boot="2")])
    with pytest.raises(InputError, match=r"^a and c are the same machine: it measures one thing at a time"):
        BoardsTogether([Board("a", boot="1"), Board("b", boot="2"), Board("c", boot="1")])
    BoardsTogether([Board("a"), Board("b")])  # of which nothing is known
