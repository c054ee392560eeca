"""What the demo does on an emulated Raspberry Pi: a network beside the reference."""

from __future__ import annotations

from pathlib import Path

from edgebnn.errors import EdgebnnError
from edgebnn.graph.types import Array
from edgebnn.preprocessing import preprocess
from edgebnn.reports.data import OnPi
from edgebnn.targets import target

SAMPLES = 3


class NoPiError(EdgebnnError):
    """This machine cannot emulate one, or not get what it needs for that."""


def validate_on(name: str, model: Path, images: Array) -> OnPi:
    """A network compared with the reference executor on a device.

    Args:
        name: of the target.
        model: the file.
        images: uint8 [N, H, W, C]; the first :data:`SAMPLES` are used.

    Returns:
        How it compares.

    Raises:
        NoPiError: there is no such device here.
        EdgebnnError: the model does not run there.
    """
    try:
        board = target(name)
        board.versions()  # which has all that it needs put there
    except EdgebnnError as error:
        raise NoPiError(str(error)) from None
    try:
        found = board.validate(model, preprocess(images[:SAMPLES]), count=SAMPLES)
    finally:
        board.close()
    return OnPi(
        target=board.name,
        device=board.device,
        kind=board.kind,
        samples=found.samples,
        passed=found.passed,
        bit_exact=found.bit_exact,
        max_abs_diff=found.max_abs_diff,
    )
