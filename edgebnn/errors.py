"""The errors edgebnn raises for bad input: one clear line that names the file, the layer and the remedy.

The command line prints the message of an :class:`EdgebnnError` and exits with code 2; anything else that
escapes is a defect of edgebnn.
"""

from __future__ import annotations

_LONGEST = 2000  # characters; names in a file may be longer than anyone wants to read


class EdgebnnError(Exception):
    """Base of every error that is the input's or the environment's, not edgebnn's."""


class ModelFormatError(EdgebnnError):
    """A model file is truncated, corrupt or inconsistent."""


class UnsupportedOpError(EdgebnnError):
    """A model holds an op, or an option of one, that edgebnn does not implement."""


class InputError(EdgebnnError):
    """Data handed to edgebnn has a wrong shape, dtype or value, or a file is missing or unwritable."""


class ValueRefusedError(InputError):
    """An op cannot work on the values that it is given, as of a division by 0; it can on others."""


class BuildError(EdgebnnError):
    """The native library cannot be compiled here."""


class RuntimeMismatchError(EdgebnnError):
    """The TFLite interpreter's memory layout is not the one the delegate was built for."""


class PruningError(EdgebnnError):
    """A pruning cannot go on; everything up to its last accepted iteration is kept."""


class InputWarning(UserWarning):
    """Data handed to edgebnn can be computed with, but probably is not what was meant."""


def one_line(message: str) -> str:
    """``message`` as a printable line of bounded length, whatever names a file or an exception put into it."""
    return "".join(c if c.isprintable() else "?" for c in message[:_LONGEST])
