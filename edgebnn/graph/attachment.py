"""Bytes behind a model: TFLite's metadata writers append a zip archive, labels.txt and the like, to the flatbuffer, and
others what they please."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Collection, Mapping

from edgebnn.errors import ModelFormatError

from .flatbuffer import Bytes

_LARGEST = 64 << 20  # bytes of all files unpacked: labels and vocabularies are far smaller
_ERRORS = (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, OSError)
_END_RECORD = 22  # bytes, without the comment; its last two are the comment's length


def behind(data: Bytes, end: int) -> bytes:
    """What lies behind the flatbuffer in ``data``, which ends at ``end``; zeros alone are padding, and nothing."""
    rest = bytes(data[end:])
    return rest if rest.strip(b"\0") else b""


def append(flatbuffer: bytes, attachment: bytes) -> bytes:
    """``flatbuffer`` with ``attachment`` behind it: an archive so that its offsets count from the beginning of the
    whole, and other bytes as they are.

    Raises:
        ModelFormatError: there is an archive that is corrupt, or its files are unreasonably large.
    """
    start, end = _archive(attachment)
    before, after = attachment[:start], attachment[end:]
    whole = io.BytesIO(flatbuffer + (before if before.strip(b"\0") else b""))
    if start == end:
        return whole.getvalue()
    try:
        with zipfile.ZipFile(whole, "a") as new:
            _copy(attachment, new)
    except _ERRORS as error:
        raise _unreadable(error) from None
    return whole.getvalue() + after


def read_files(attachment: bytes, names: Collection[str]) -> dict[str, bytes]:
    """Those of the files zipped in ``attachment`` that are called ``names``.

    Raises:
        ModelFormatError: the archive is corrupt, or its files are unreasonably large.
    """
    start, end = _archive(attachment)
    if start == end or not names:
        return {}
    try:
        with zipfile.ZipFile(io.BytesIO(attachment)) as archive:
            _check_size(archive)
            return {info.filename: archive.read(info) for info in archive.infolist() if info.filename in names}
    except _ERRORS as error:
        raise _unreadable(error) from None


def with_files(attachment: bytes, files: Mapping[str, bytes]) -> bytes:
    """``attachment`` with ``files`` in its archive in place of those of the same names, stored as readers of TFLite's
    metadata expect them: not compressed.

    Raises:
        ModelFormatError: the archive is corrupt, or its files are unreasonably large.
    """
    start, end = _archive(attachment)
    made = io.BytesIO()
    try:
        with zipfile.ZipFile(made, "w") as new:
            if start != end:
                _copy(attachment, new, without=files)
            for name, content in files.items():
                new.writestr(zipfile.ZipInfo(name), content)  # its time is 1980: the same labels, the same bytes
    except _ERRORS as error:
        raise _unreadable(error) from None
    return attachment[:start] + made.getvalue() + attachment[end:]


def _copy(attachment: bytes, new: zipfile.ZipFile, without: Collection[str] = ()) -> None:
    with zipfile.ZipFile(io.BytesIO(attachment)) as old:
        _check_size(old)
        new.comment = old.comment
        for info in old.infolist():
            if info.filename not in without:
                new.writestr(info, old.read(info))


def _check_size(archive: zipfile.ZipFile) -> None:
    if sum(info.file_size for info in archive.infolist()) > _LARGEST:
        raise ModelFormatError(f"the files zipped behind the model take more than {_LARGEST >> 20} MB")


def _unreadable(error: Exception) -> ModelFormatError:
    return ModelFormatError(f"the files zipped behind the model cannot be read ({error})")


def _archive(data: bytes) -> tuple[int, int]:
    """Where a zip archive in ``data`` begins and ends; twice the length of ``data`` if there is none."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            start = min([info.header_offset for info in archive.infolist()], default=len(data))
    except _ERRORS:
        return len(data), len(data)
    record = data.rfind(b"PK\5\6")
    (comment,) = struct.unpack_from("<H", data, record + _END_RECORD - 2)
    return start, record + _END_RECORD + comment
