"""This side of the conversation with an agent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast, get_args

import numpy as np

from edgebnn import errors
from edgebnn.errors import EdgebnnError, one_line
from edgebnn.graph.types import Array
from edgebnn.runtime.conditions import Conditions
from edgebnn.runtime.power import Energy
from edgebnn.runtime.profile import Kind, OpProfile, Profile

from . import wire
from .device import Channel, DeviceError

_KINDS = {
    kind.__name__: kind
    for kind in (errors.ModelFormatError, errors.UnsupportedOpError, errors.InputError, errors.RuntimeMismatchError)
}


class Agent:
    """A running agent. Not for several threads at a time.

    Args:
        channel: to it; it has not yet greeted.

    Raises:
        DeviceError: it does not start, or is of another edgebnn.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._number = 0
        try:
            skip_to(wire.GREETING, channel)
            self.hello, _ = wire.decode(channel.receive)
            if self.hello.get("protocol") != wire.VERSION:
                raise DeviceError("the agent on the device speaks another edgebnn's protocol")
        except BaseException:
            channel.close()
            raise

    def ask(self, do: str, arrays: Sequence[Array] = (), **header: Any) -> tuple[dict[str, Any], tuple[Array, ...]]:
        """Sends a request and waits for its answer.

        Args:
            do: which request.
            arrays: with it.
            header: what else it says.

        Returns:
            The answer's header and arrays: checked to be well-formed, and nothing more.

        Raises:
            EdgebnnError: what the agent says is wrong.
            DeviceError: the device, or the way to it, fails.
        """
        self._number += 1
        self._channel.send(wire.encode({"do": do, "id": self._number, **header}, arrays))
        while True:
            answer, results = wire.decode(self._channel.receive)
            if answer.get("alive") is not True:
                break
        if answer.get("id") != self._number:
            raise DeviceError("the device answers something that was not asked")
        if "error" in answer:
            raise _KINDS.get(str(answer.get("kind")), EdgebnnError)(one_line(str(answer["error"])))
        return answer, results

    def close(self) -> None:
        """Ends the process on the device."""
        self._channel.close()


def skip_to(greeting: bytes, channel: Channel) -> None:
    """Reads up to the end of a greeting: login shells may print something first. Raises DeviceError."""
    seen = bytearray()
    while not seen.endswith(greeting):
        if len(seen) > wire.MOST_GREETING:
            raise DeviceError("the device prints without an end where edgebnn's agent should answer")
        seen += channel.receive(1)


def profile_of(value: object, kind: Kind) -> Profile:
    """The profile that a device's answer holds.

    Args:
        value: part of an answer.
        kind: of the target's figures, which an answer cannot make better.

    Raises:
        WireError: it is none.
    """
    try:
        fields = _object(value)
        said = _kind(fields["kind"])
        return Profile(
            kind=kind if said == "measured" else said,
            unit="ms",
            total=_number(fields["total"]),
            ops=tuple(_op(one) for one in _list(fields["ops"])),
        )
    except (KeyError, TypeError, ValueError):
        raise wire.WireError("the device's answer holds no profile") from None


def samples_of(value: object, count: int) -> tuple[tuple[float, ...], ...]:
    """Times in milliseconds of so many things, as a device's answer holds them. Raises WireError if it does not."""
    try:
        found = tuple(tuple(_number(time) for time in _list(times)) for times in _list(value))
    except (TypeError, ValueError):
        found = ()
    if len(found) != count or not all(found):
        raise wire.WireError("the device's answer holds no times")
    return found


def words_of(value: object) -> dict[str, str]:
    """Texts by name, printable and bounded. Raises WireError."""
    if not isinstance(value, dict) or len(value) > _MOST_WORDS:
        raise wire.WireError("the device does not say what it is")
    return {one_line(str(name)[:_LONGEST_WORD]): one_line(str(text)[:_LONGEST_WORD]) for name, text in value.items()}


def conditions_of(value: object) -> Conditions:
    """What a device says it is under. Raises WireError."""
    try:
        fields = _object(value)
        words = {name: tuple(one_line(str(one)) for one in _list(fields[name])) for name in _WORDS}
        numbers = {name: None if fields[name] is None else _number(fields[name]) for name in _NUMBERS}
        whole = {name: None if fields[name] is None else int(_number(fields[name])) for name in _WHOLE}
        affinity = tuple(_integer(one) for one in _list(fields["affinity"]))
        governor = one_line(str(fields["governor"]))
        return Conditions(governor=governor, affinity=affinity, **words, **numbers, **whole)  # type: ignore[arg-type]
    except (KeyError, TypeError, ValueError):
        raise wire.WireError("the device does not say what it is under") from None


_WORDS = ("throttling", "throttled_before")
_NUMBERS = ("frequency_mhz", "temperature_c", "load")
_WHOLE = ("throttle_events", "peak_memory_bytes")
_MOST_WORDS, _LONGEST_WORD = 32, 200


def energy_of(value: object) -> Energy | None:
    """What a device's meter said. Raises WireError."""
    if value is None:
        return None
    try:
        fields = _object(value)
        watts, idle = _number(fields["watts"]), _number(fields["idle_watts"])
        each = _number(fields["millijoules"])
        return Energy(
            meter=one_line(str(fields["meter"])[:_LONGEST_WORD]),
            watts=watts,
            idle_watts=idle,
            millijoules=each,
            above_idle_millijoules=each * (watts - idle) / watts if watts else 0.0,
            readings=_integer(fields["readings"]),
            inferences=_integer(fields["inferences"]),
        )
    except (KeyError, TypeError, ValueError):
        raise wire.WireError("the device's answer holds no energy") from None


def _op(value: object) -> OpProfile:
    fields = _object(value)
    return OpProfile(
        index=_integer(fields["index"]),
        op=one_line(str(fields["op"])),
        name=one_line(str(fields["name"])),
        value=_number(fields["value"]),
        share=_number(fields["share"]),
        kernel=one_line(str(fields["kernel"])),
        members=tuple(_integer(member) for member in _list(fields["members"])),
        fused=one_line(str(fields["fused"])),
    )


def _object(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError
    return value


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value) or value < 0:
        raise ValueError
    return float(value)


def _integer(value: object) -> int:
    if type(value) is not int or not -1 <= value < 1 << 31:
        raise ValueError
    return value


def _kind(value: object) -> Kind:
    if value not in get_args(Kind):
        raise ValueError
    return cast(Kind, value)
