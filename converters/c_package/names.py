"""What can be the prefix of C functions and files."""

from __future__ import annotations

import keyword
import re

from edgebnn.errors import InputError

_IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_C_AND_CPP = """
auto break case char const continue default do double else enum extern float for goto if inline int long register
restrict return short signed sizeof static struct switch typedef union unsigned void volatile while main bool
class delete new private public protected template this throw try virtual namespace operator
"""
_C_WORDS = frozenset(_C_AND_CPP.split())


def check_name(name: str) -> None:
    """Raises InputError if ``name`` cannot be the prefix of C functions and files."""
    if not _IDENTIFIER.fullmatch(name) or name in _C_WORDS or keyword.iskeyword(name):
        fitting = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_") or "model"
        fitting = f"model_{fitting}" if not _IDENTIFIER.fullmatch(fitting) or fitting in _C_WORDS else fitting
        raise InputError(f"'{name}' is no C identifier; choose a name for the functions and files: --name {fitting}")
