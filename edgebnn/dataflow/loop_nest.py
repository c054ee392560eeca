"""A mapping as a nest of loops that people can read."""

from __future__ import annotations

from .constraints import held_levels
from .energy import held
from .hardware import Hardware
from .scheduler import Choice
from .workload import DIMS, OPERANDS

_NAMES = {
    "G": "group",
    "N": "sample",
    "M": "output channel",
    "C": "input channel",
    "E": "output row",
    "F": "output column",
    "R": "filter row",
    "S": "filter column",
}


def sizes(hardware: Hardware, choice: Choice) -> dict[str, dict[str, int]]:
    """The tile of each level, and of the array, by loop."""
    tiles = choice.mapping.tiles[:, :, 0]
    return {
        name: {dim: int(size) for dim, size in zip(DIMS, tiles[depth], strict=True)}
        for depth, name in enumerate(_places(hardware))
    }


def _places(hardware: Hardware) -> list[str]:
    names = ["layer", *(level.name for level in held_levels(hardware))]
    if hardware.network is not None:
        names.append("array")
    return [*names, hardware.levels[-1].name]


def loop_nest(hardware: Hardware, choice: Choice) -> list[str]:
    """The lines of a program: loops that turn once are left out; "parallel" are taken apart among the array."""
    tiles, orders = choice.mapping.tiles[:, :, 0], choice.mapping.orders
    places = _places(hardware)
    lines = [f"{'/'.join(level.name for level in hardware.levels[: hardware.homes])}: {_all_bounds(choice)}"]
    indent = 0

    def loop(word: str, dim: int, bound: int, step: int) -> None:
        nonlocal indent
        if bound > step:
            indent += 1
            unit = choice.layer.lanes
            words = f" ({unit} channels a word)" if DIMS[dim] == "C" and unit > 1 else ""
            by = f" by {step}" if step > 1 else ""
            lines.append(f"{'  ' * indent}{word} {DIMS[dim].lower()} in {bound}{by}  # {_NAMES[DIMS[dim]]}{words}")

    for stage, order in enumerate(orders):
        for dim in order:
            loop("for", dim, int(tiles[stage, dim]), int(tiles[stage + 1, dim]))
        lines.append(f"{'  ' * (indent + 1)}{_kept(hardware, choice, places[stage + 1])}")
    if choice.mapping.spatial:
        for dim in range(len(DIMS)):
            loop("parallel", dim, int(tiles[-2, dim]), int(tiles[-1, dim]))
        lines.append(f"{'  ' * (indent + 1)}{_kept(hardware, choice, places[-1])}")
    inner = orders[-1] if not choice.mapping.spatial else range(len(DIMS))
    for dim in inner:
        loop("for", dim, int(tiles[-1, dim]), 1)
    lines.append(f"{'  ' * (indent + 1)}multiply and accumulate")
    return lines


def _all_bounds(choice: Choice) -> str:
    return "the whole layer, " + ", ".join(
        f"{name.lower()} {bound}" for name, bound in zip(DIMS, choice.layer.bounds, strict=True) if bound > 1
    )


def _kept(hardware: Hardware, choice: Choice, place: str) -> str:
    """Which operands lie there."""
    for level in hardware.levels:
        if level.name == place:
            kept = held(hardware, level, choice.registers)
            return f"{place}: {', '.join(name for name in OPERANDS if name in kept) or 'nothing'}"
    return f"{place}: {hardware.rows} x {hardware.columns}"
