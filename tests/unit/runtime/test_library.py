"""Which shared library the runtime takes."""

from __future__ import annotations

import platform
import struct
from pathlib import Path

import pytest

from edgebnn.errors import BuildError
from edgebnn.runtime import build, library


@pytest.mark.parametrize(
    ("system", "processor", "pointer_bytes", "name"),
    [
        ("Linux", "x86_64", 8, "linux-x86_64"),
        ("Linux", "aarch64", 8, "linux-aarch64"),
        ("Linux", "armv7l", 4, "linux-armv7"),
        ("Linux", "armv8l", 4, "linux-armv7"),
        ("Linux", "aarch64", 4, "linux-armv7"),  # 32-bit Raspberry Pi OS on a 64-bit Linux
        ("Linux", "x86_64", 4, "linux-i686"),  # 32-bit Debian on a 64-bit Linux
        ("Linux", "armv6l", 4, "linux-armv6l"),  # Raspberry Pi Zero: no ARMv7 code
        ("Darwin", "arm64", 8, "macos-aarch64"),
        ("Windows", "AMD64", 8, "windows-x86_64"),
    ],
)
def test_machines_are_told_apart(system: str, processor: str, pointer_bytes: int, name: str) -> None:
    assert library.machine_name(system, processor, pointer_bytes) == name


def test_a_packaged_library_is_taken_on_its_own_kind_of_machine_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = library.machine_name(platform.system(), platform.machine(), struct.calcsize("P"))
    other = "linux-aarch64" if here != "linux-aarch64" else "linux-x86_64"
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    monkeypatch.delenv(library.VARIABLE, raising=False)
    put(tmp_path / library.packaged_name(other))
    assert library.find_prebuilt() is None
    assert library.find() == library.Library(build.library(), "compiled on this machine", False)
    mine = put(tmp_path / library.packaged_name(here))
    assert library.find() == library.find_prebuilt() == library.Library(mine, f"came with edgebnn for {here}", True)


def test_a_named_library_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(library.VARIABLE, str(put(tmp_path / "mine.so")))
    assert library.find().path == tmp_path / "mine.so"
    (tmp_path / "mine.so").unlink()
    with pytest.raises(BuildError, match=r"mine\.so"):
        library.find()


def put(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path
