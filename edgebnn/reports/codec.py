"""Frozen dataclasses to JSON and back, checked: what was written is read as the same values and types."""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union

from edgebnn.errors import InputError

T = TypeVar("T")


def encode(value: object) -> dict[str, Any]:
    """``value``, a dataclass of plain values, tuples and dataclasses, as what ``json`` can write."""
    if not dataclasses.is_dataclass(value) or isinstance(value, type):
        raise TypeError(f"not a dataclass instance: {value!r}")
    return dataclasses.asdict(value)


def to_json(value: object) -> str:
    """``value``, a dataclass as for :func:`encode`, as indented JSON.

    Raises ValueError for NaN and infinity, which JSON does not have.
    """
    return json.dumps(encode(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def from_json(kind: type[T], text: str, source: str) -> T:
    """The ``kind`` that :func:`to_json` wrote. ``source`` is what error messages call the text.

    Raises InputError naming the field that is missing, unknown or of another type.
    """
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise InputError(f"{source}: is not JSON ({error}); make it again") from None
    return decode(kind, raw, source)


def decode(kind: type[T], raw: object, source: str) -> T:
    """The ``kind`` that :func:`encode` made ``raw`` of, checked; raises as :func:`from_json` does."""
    value: T = _decode(kind, raw, source, "")
    return value


def _decode(kind: Any, raw: Any, source: str, path: str) -> Any:
    origin = typing.get_origin(kind)
    if dataclasses.is_dataclass(kind):
        return _decode_dataclass(kind, raw, source, path)
    if origin is Literal:
        accepted = raw in typing.get_args(kind)
    elif origin in (Union, types.UnionType):
        some = [option for option in typing.get_args(kind) if option is not type(None)]
        return None if raw is None else _decode(some[0], raw, source, path)
    elif origin is dict:
        item = typing.get_args(kind)[1]
        if isinstance(raw, Mapping):
            return {str(name): _decode(item, entry, source, f"{path}.{name}") for name, entry in raw.items()}
        accepted = False
    elif origin is tuple:
        if isinstance(raw, list):
            item = typing.get_args(kind)[0]
            return tuple(_decode(item, entry, source, f"{path}[{i}]") for i, entry in enumerate(raw))
        accepted = False
    elif kind is float:
        # json writes 1.0 as "1.0", but a hand-edited or foreign file may hold "1".
        accepted = isinstance(raw, (int, float)) and not isinstance(raw, bool) and math.isfinite(raw)
        raw = float(raw) if accepted else raw
    else:
        accepted = type(raw) is kind
    if not accepted:
        raise InputError(f"{source}: field '{path.lstrip('.')}' has the wrong type or value; make the file again")
    return raw


def _decode_dataclass(kind: Any, raw: Any, source: str, path: str) -> Any:
    if not isinstance(raw, Mapping):
        raise InputError(f"{source}: field '{path.lstrip('.') or 'the whole'}' is not an object; make the file again")
    hints = typing.get_type_hints(kind)
    unknown = raw.keys() - hints.keys()
    missing = {f.name for f in dataclasses.fields(kind) if f.default is dataclasses.MISSING} - raw.keys()
    for what, names in (("unknown", unknown), ("missing", missing)):
        if names:
            fields = ", ".join(f"{path}.{name}".lstrip(".") for name in sorted(names))
            raise InputError(f"{source}: {what} field {fields}: it is from another version of edgebnn; make it again")
    return kind(**{name: _decode(hints[name], entry, source, f"{path}.{name}") for name, entry in raw.items()})
