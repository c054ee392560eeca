"""Files behind a model: TFLite's metadata writers append a zip archive, labels.txt and the like, to the flatbuffer."""

from __future__ import annotations

import io
import zipfile

from edgebnn.errors import ModelFormatError

_LARGEST = 64 << 20  # bytes of all files unpacked: labels and vocabularies are far smaller
_ERRORS = (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, OSError)


def start(data: bytes) -> int:
    """Where the archive behind the flatbuffer in ``data`` begins; the length of ``data`` if there is none."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return min([info.header_offset for info in archive.infolist()], default=len(data))
    except _ERRORS:
        return len(data)


def append(flatbuffer: bytes, archive: bytes) -> bytes:
    """``flatbuffer`` with the files of ``archive`` behind it, whose offsets count from the beginning of the whole.

    Raises:
        ModelFormatError: the archive is corrupt, or its files are unreasonably large.
    """
    if not archive:
        return flatbuffer
    whole = io.BytesIO(flatbuffer)
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(whole, "a") as new:
            if sum(info.file_size for info in old.infolist()) > _LARGEST:
                raise ModelFormatError(f"the files zipped behind the model take more than {_LARGEST >> 20} MB")
            for info in old.infolist():
                new.writestr(info, old.read(info))
    except _ERRORS as error:
        raise ModelFormatError(f"the files zipped behind the model cannot be read ({error})") from None
    return whole.getvalue()
