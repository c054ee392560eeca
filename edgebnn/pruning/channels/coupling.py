"""Which channels of a network must be cut together, found in its Keras graph, and its layers with other widths.

A group is a maximal set of channels that the graph treats alike: what one layer produces, all that is added to it, the
batch norms and depthwise convolutions it passes through, and the kernel rows that read it. A width is the number of
channels of one group. (The idea of a dependency graph: Fang et al., "DepGraph", CVPR 2023.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from edgebnn._tensorflow import keras
from edgebnn.errors import InputError
from edgebnn.pruning.channels.identity import Ids
from edgebnn.pruning.channels.layers import LayerShape
from edgebnn.pruning.channels.rules import RULES
from edgebnn.pruning.channels.tracing import SHAPE, Trace, trace


@dataclass(frozen=True)
class Member:
    """An axis of ``layer`` that holds a group's channels in some ``role``, each of them ``repeat`` times."""

    layer: str
    role: str
    repeat: int = 1


@dataclass(frozen=True)
class Group:
    """Channels that are cut together.

    Attributes:
        name: the first layer that produces them, with ``[first:last]`` where one layer produces several groups.
        channels: how many there are; channel i of the group is the i-th that the first layer produces of it.
        members: every layer that has to change with them.
        prunable: whether a smaller width is possible, else ``reason`` says why not.
    """

    name: str
    channels: int
    members: tuple[Member, ...]
    prunable: bool
    reason: str = ""


@dataclass(frozen=True)
class _Count:
    """A number of channels as a function of widths: the sum of ``times`` x width of ``group``."""

    terms: tuple[tuple[str, int], ...]

    def at(self, widths: Mapping[str, int]) -> int:
        return sum(widths[group] * times for group, times in self.terms)


@dataclass(frozen=True)
class _Sized:
    """A layer's shape, and its channels as functions of widths."""

    shape: LayerShape
    inputs: _Count
    outputs: _Count
    depthwise: bool

    def at(self, widths: Mapping[str, int]) -> LayerShape:
        inputs, outputs = self.inputs.at(widths), self.outputs.at(widths)
        if (inputs, outputs) == (self.shape.in_channels, self.shape.out_channels):
            return self.shape
        groups = inputs if self.depthwise else self.shape.groups
        return replace(self.shape, in_channels=inputs, out_channels=outputs, groups=groups)


@dataclass(frozen=True)
class Plan:
    """The groups of a network, in the order of its graph; plain data that can be sent to another process.

    ``uncounted`` names layers with weights of which nothing is known, so that :meth:`layers` leaves them out.
    """

    groups: tuple[Group, ...]
    uncounted: tuple[str, ...] = ()
    sized: tuple[_Sized, ...] = field(default=(), repr=False)

    @cached_property
    def _full(self) -> dict[str, int]:
        return {group.name: group.channels for group in self.groups}

    @property
    def widths(self) -> dict[str, int]:
        """Channels by group, of all groups."""
        return dict(self._full)

    @property
    def prunable(self) -> tuple[Group, ...]:
        return tuple(group for group in self.groups if group.prunable)

    @property
    def fixed(self) -> dict[str, str]:
        """Of the other groups why they cannot lose channels, by name."""
        return {group.name: group.reason for group in self.groups if not group.prunable}

    def group(self, name: str) -> Group:
        """Raises :class:`InputError` for a name that no group has."""
        for group in self.groups:
            if group.name == name:
                return group
        raise InputError(f"there is no group of channels {name!r}: choose one of {', '.join(self._full)}")

    def layers(self, widths: Mapping[str, int] | None = None) -> tuple[LayerShape, ...]:
        """The multiply-accumulate layers with other widths, in the order of the graph.

        ``widths`` need only name groups that change. Raises :class:`InputError` for an unknown group, a width below
        one or above the group's channels, or a change of a group that cannot be pruned.
        """
        if not widths:
            return tuple(sized.shape for sized in self.sized)
        for name, width in widths.items():
            if width != self._full.get(name):
                self._check(name, width)
        merged = {**self._full, **widths}
        return tuple(sized.at(merged) for sized in self.sized)

    def _check(self, name: str, width: int) -> None:
        group = self.group(name)
        if not 1 <= width <= group.channels:
            raise InputError(f"{name}: has 1 to {group.channels} channels, not {width}")
        if not group.prunable:
            raise InputError(f"{name}: its {group.channels} channels cannot be cut: {group.reason}")

    def explain(self) -> str:
        """The plan for a person: each group, its channels, and all that changes with them, one line each."""
        lines = []
        for group in self.groups:
            state = "" if group.prunable else f", fixed ({group.reason})"
            lines.append(f"{group.name}: {group.channels} channels{state}")
            for member in group.members:
                repeat = f", {member.repeat} of each" if member.repeat > 1 else ""
                lines.append(f"    {member.layer}: {member.role}{repeat}")
        lines.extend(f"{path}: its multiply-accumulates are not counted" for path in self.uncounted)
        return "\n".join(lines)


@dataclass(frozen=True)
class Coupling:
    """A plan, and for the traced channels the group of each (an index into the groups) and its place in the group."""

    plan: Plan
    trace: Trace
    group_of: NDArray[np.int64]
    place_of: NDArray[np.int64]


def couple(model: keras.Model) -> Plan:
    """The groups of ``model``.

    Raises :class:`InputError`, naming the layer, for a model that is no graph of Keras layers or has no fixed sizes.
    """
    return analyse(model).plan


def analyse(model: keras.Model) -> Coupling:
    """:func:`couple`, with what was traced on the way; raises as it does."""
    found = trace(model, RULES)
    roots = found.channels.roots()
    reasons = found.channels.reasons(roots)
    units, unit_of = np.unique(roots, return_inverse=True)
    columns = _occurrences(found, unit_of, len(units))
    kinds = {reason: i for i, reason in enumerate(dict.fromkeys(reasons.values()), start=1)}
    frozen = np.array([kinds[reasons[root]] if root in reasons else 0 for root in units.tolist()], np.int64)
    owners = {name: i for i, name in enumerate(dict.fromkeys(found.channels.owner(root) for root in units.tolist()))}
    owner = np.array([owners[found.channels.owner(root)] for root in units.tolist()], np.int64)
    signature = np.stack([owner, frozen, *columns.values()], axis=1)
    group_of_unit, place_of_unit = _grouped(signature)
    groups = _groups(found, units, group_of_unit, columns, reasons)
    sized = tuple(
        _Sized(
            mac.shape,
            _count(mac.inputs, unit_of, group_of_unit, groups),
            _count(mac.outputs, unit_of, group_of_unit, groups),
            mac.depthwise,
        )
        for mac in found.macs
    )
    plan = Plan(groups, tuple(found.uncounted), sized)
    return Coupling(plan, found, group_of_unit[unit_of], place_of_unit[unit_of])


def _occurrences(found: Trace, unit_of: Ids, units: int) -> dict[Member, Ids]:
    """How often each unit occurs on every axis, by the member that the axis will be (its repeat still open)."""
    columns: dict[Member, Ids] = {}

    def add(member: Member, ids: Ids) -> None:
        if member not in columns:
            columns[member] = np.bincount(unit_of[ids], minlength=units)

    for site in found.sites.values():
        for axis in site.axes:
            add(Member(site.path, axis.role), axis.ids)
        for size in site.sizes:
            if size.key in ("batch_input_shape", "target_shape"):
                add(Member(site.path, SHAPE), size.ids)
    for mac in found.macs:  # counted for the signature: all channels of a group must count equally in every layer
        add(Member(mac.shape.name, "in", 0), mac.inputs)
        add(Member(mac.shape.name, "out", 0), mac.outputs)
    return columns


def _grouped(signature: Ids) -> tuple[Ids, Ids]:
    """Units of equal signature as groups, numbered by their first unit, and each unit's place in its group."""
    numbers: dict[bytes, int] = {}
    group_of = np.empty(len(signature), np.int64)
    place_of = np.empty(len(signature), np.int64)
    filled: list[int] = []
    for unit, row in enumerate(signature):
        group = numbers.setdefault(row.tobytes(), len(numbers))
        if group == len(filled):
            filled.append(0)
        group_of[unit], place_of[unit] = group, filled[group]
        filled[group] += 1
    return group_of, place_of


def _groups(
    found: Trace, units: Ids, group_of_unit: Ids, columns: Mapping[Member, Ids], reasons: Mapping[int, str]
) -> tuple[Group, ...]:
    owners = [found.channels.owner(root) for root in units.tolist()]
    firsts = {owner: owners.index(owner) for owner in dict.fromkeys(owners)}
    groups = []
    for number in range(int(group_of_unit.max()) + 1):
        members = np.flatnonzero(group_of_unit == number)
        first = int(members[0])
        owner = owners[first]
        alone = all(group_of_unit[unit] == number for unit, other in enumerate(owners) if other == owner)
        name = owner if alone else f"{owner}[{first - firsts[owner]}:{int(members[-1]) - firsts[owner] + 1}]"
        reason = reasons.get(int(units[first]), "" if len(members) > 1 else f"{owner}: a single channel")
        roles = tuple(
            replace(member, repeat=int(column[first]))
            for member, column in columns.items()
            if member.repeat and column[first]
        )
        groups.append(Group(name, len(members), roles, not reason, reason))
    return tuple(groups)


def _count(ids: Ids, unit_of: Ids, group_of_unit: Ids, groups: tuple[Group, ...]) -> _Count:
    totals = np.bincount(group_of_unit[unit_of[ids]], minlength=len(groups))
    return _Count(
        tuple((group.name, int(total) // group.channels) for group, total in zip(groups, totals, strict=True) if total)
    )
