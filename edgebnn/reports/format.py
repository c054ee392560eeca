"""Numbers as people read them, the same in the terminal and in the HTML."""

from __future__ import annotations

from datetime import datetime

from edgebnn.graph.opdef import Macs

PRECISIONS = ("binary", "w1a8", "int8", "float")
"""The fields of :class:`~edgebnn.graph.opdef.Macs`, cheapest first."""


_MILLISECONDS_FROM = 10.0
"""Columns whose total is below are in microseconds."""


def size_unit(largest: float) -> tuple[int, str]:
    """Divisor and name of the unit to give ``largest`` bytes in. Decimal units: kB is 1000 bytes."""
    for divisor, unit in ((1_000_000, "MB"), (1_000, "kB")):
        if largest >= divisor:
            return divisor, unit
    return 1, "bytes"


def size(count: int) -> str:
    """``count`` bytes: ``"812 B"``, ``"4.61 kB"``, ``"147 kB"``."""
    divisor, unit = size_unit(count)
    return f"{count} B" if divisor == 1 else f"{significant(count / divisor)} {unit}"


def count(value: int) -> str:
    """A count of things such as MACs: ``"0"``, ``"812"``, ``"4.61 k"``, ``"7.23 M"``."""
    for divisor, suffix in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if value >= divisor:
            return f"{significant(value / divisor)} {suffix}"
    return str(value)


def grouped(value: int) -> str:
    """``"10,000"``."""
    return f"{value:,}"


def small(value: float) -> str:
    """A number that may be next to nothing: ``"0"``, ``"1.2e-06"``, ``"0.614"``."""
    return significant(value) if value == 0 or value >= 0.001 else f"{value:.1e}"


def significant(value: float) -> str:
    """Three significant digits and no exponent: ``"0.0417"``, ``"1.23"``, ``"98.9"``, ``"1470"``."""
    if value == 0:
        return "0"
    magnitude = abs(value)
    decimals = 0
    while magnitude < 99.95 and decimals < 6:
        magnitude *= 10
        decimals += 1
    return f"{value:.{decimals}f}"


def percent(fraction: float, decimals: int = 2) -> str:
    """``0.9893`` as ``"98.93 %"``. Never rounds up to 100: ``0.99999`` is ``"99.99 %"``."""
    text = f"{100 * fraction:.{decimals}f}"
    if fraction < 1 and float(text) >= 100:
        text = f"{100 - 10**-decimals:.{decimals}f}"
    return f"{text} %"


def shape(dimensions: tuple[int, ...]) -> str:
    """Dimensions with multiplication signs between them."""
    return " \u00d7 ".join(map(str, dimensions)) or "scalar"


def layer(name: str) -> str:
    """A layer as its author knows it: the Keras layer in a converter's name such as ``"net/conv1/Conv2D;net/bn1/..."``.

    Converters join what they fuse with semicolons, the op itself last, and LCE cuts names at 50 characters: so the last
    part that still names a layer counts.
    """
    parts = [part.split("/") for part in name.split(";")]
    named = [part[1] for part in parts if len(part) > 2]
    return named[-1] if named else name


def macs(value: Macs) -> tuple[tuple[str, str], ...]:
    """The precisions that do occur, each with its count: ``(("binary", "7.23 M"),)``."""
    return tuple((name, count(getattr(value, name))) for name in PRECISIONS if getattr(value, name))


def cost(value: float, unit: str) -> str:
    """A cost in the unit of its target: ``"12.3 ms"``, ``"417 µs"``, ``"1.2 M cycles"``."""
    if unit != "ms":
        return f"{count(round(value))} {unit}"
    return f"{significant(value)} ms" if value >= 1 else f"{significant(value * 1000)} µs"


def amount(value: float, unit: str) -> str:
    """An amount of a resource: counts and bytes whole, times to a tenth of a per cent or so."""
    return f"{value:.4g}" if unit == "ms" else f"{value:,.0f}" if value >= 1000 else f"{value:.6g}"


def aligned_unit(total: float, unit: str) -> str:
    """The unit :func:`aligned` uses in a column whose total is ``total``."""
    return unit if unit != "ms" or total >= _MILLISECONDS_FROM else "µs"


def aligned(value: float, total: float, unit: str) -> str:
    """``value`` as an entry of a column of parts of ``total``: one unit and number of decimals for all."""
    if unit != "ms":
        return f"{round(value):,}"
    return f"{value if total >= _MILLISECONDS_FROM else value * 1000:.1f}"


def when(iso: str) -> str:
    """``"2026-11-24T08:10:00+00:00"`` as ``"24 November 2026, 08:10 UTC"``."""
    moment = datetime.fromisoformat(iso)
    zone = moment.tzname() or ""
    return f"{moment.day} {moment:%B %Y, %H:%M} {zone}".strip()


FORMATS = (
    size,
    count,
    grouped,
    small,
    significant,
    percent,
    shape,
    layer,
    macs,
    cost,
    aligned,
    aligned_unit,
    when,
)
"""What a template can call, by the function's name."""
