"""The demo's step on an emulated Raspberry Pi."""

from __future__ import annotations

import numpy as np
import pytest

from edgebnn.demo import pi_side
from edgebnn.targets.linux import user_lands
from tests.support.devices import BINARY


def test_where_none_can_be_emulated_the_reason_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_lands.shutil, "which", lambda name: None)
    with pytest.raises(pi_side.NoPiError, match=r"not installed .*apt-get install"):
        pi_side.validate_on("qemu-aarch64", BINARY, np.zeros((1, 32, 32, 3), np.uint8))
