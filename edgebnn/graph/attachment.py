"""Bytes behind a model: TFLite's metadata writers append a zip archive, labels.txt and the like, to the flatbuffer, and
others what they please."""

from __future__ import annotations

import io
import struct
import zipfile

from edgebnn.errors import ModelFormatError

_LARGEST = 64 << 20  # bytes of all files unpacked: labels and vocabularies are far smaller
_ERRORS = (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, OSError)
_END_RECORD = 22  # bytes, without the comment; its last two are the comment's length


def behind(data: bytes, end: int) -> bytes:
    """What lies behind the flatbuffer in ``data``, which ends at ``end``; zeros alone are padding, and nothing."""
    rest = data[end:]
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
        with zipfile.ZipFile(io.BytesIO(attachment)) as old, zipfile.ZipFile(whole, "a") as new:
            if sum(info.file_size for info in old.infolist()) > _LARGEST:
                raise ModelFormatError(f"the files zipped behind the model take more than {_LARGEST >> 20} MB")
            new.comment = old.comment
            for info in old.infolist():
                new.writestr(info, old.read(info))
    except _ERRORS as error:
        raise ModelFormatError(f"the files zipped behind the model cannot be read ({error})") from None
    return whole.getvalue() + after


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
