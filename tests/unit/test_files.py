"""Files appear whole or not at all, and what goes wrong is said of the file that it is wrong with."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from edgebnn.errors import InputError
from edgebnn.files import atomic_path, check_writable, trim, write_text
from tests.support.privileges import unprivileged, unprivileged_folder


def test_an_error_of_another_file_is_not_said_of_the_one_being_written(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    path.write_text("mine")
    with pytest.raises(FileNotFoundError, match="missing"), atomic_path(path):
        (tmp_path / "missing").read_text()
    assert path.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_of_the_file_being_written(tmp_path: Path, number: int) -> None:
    path = tmp_path / "out.txt"
    with pytest.raises(InputError, match=r"out\.txt: cannot be written"), atomic_path(path):
        raise OSError(number, os.strerror(number))
    with pytest.raises(InputError, match=r"out\.txt: cannot be written"), atomic_path(path) as temporary:
        raise OSError(f"unable to create file '{temporary}'")  # as HDF5 says it
    assert list(tmp_path.iterdir()) == []


def test_a_device_is_written_to_and_never_replaced(tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.symlink_to("/dev/full")
    with pytest.raises(InputError, match="cannot be written"):
        write_text(full, "text")
    assert full.is_char_device()
    write_text(Path("/dev/null"), "text")
    assert Path("/dev/null").is_char_device()


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "a.txt", tmp_path / "b.txt"
    link.symlink_to(target)
    write_text(link, "text")
    assert link.is_symlink()
    assert target.read_text() == "text"


def enter_from_outside(folder: Path) -> None:
    """Lets everybody enter the folder that tests keep their temporary files in, which is closed to other users."""
    if folder.parent.name.startswith("edgebnn-tests-"):
        folder.parent.chmod(0o711)


def test_a_folder_that_may_not_be_entered_is_said_in_a_line() -> None:
    with unprivileged_folder() as folder:
        enter_from_outside(folder)
        (folder / "closed").mkdir(mode=0o700)
        with unprivileged(), pytest.raises(InputError, match="cannot be written"):
            check_writable(folder / "closed" / "a.txt")


def test_a_file_protected_from_writing_is_kept() -> None:
    with unprivileged_folder() as folder:
        folder.chmod(0o777)
        path = folder / "a.txt"
        path.write_text("mine")
        path.chmod(0o444)
        enter_from_outside(folder)
        with unprivileged(), pytest.raises(InputError, match="protected"):
            check_writable(path)
        assert path.read_text() == "mine"


def test_what_was_not_used_for_longest_goes_and_the_last_used_stays(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in "abcd"]
    for used, path in enumerate(paths):
        path.write_bytes(bytes(100))
        os.utime(path, (used, used))
    os.utime(paths[0], (9, 9))
    assert trim([*paths, tmp_path / "gone"], 250) == [paths[2], paths[1]]
    assert trim(tmp_path.iterdir(), 10) == [paths[3]]
    assert list(tmp_path.iterdir()) == [paths[0]]
