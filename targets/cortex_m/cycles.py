"""Cycles estimated from what was counted: each executed block costs what its instructions cost, in their order.

Estimates are of no board. What they leave out is said with each core; memory is taken to answer at once, but for the
wait states of the flash that a caller names: with a prefetcher they cost at every taken branch, where it must begin
anew, and nothing in between. An accelerator with a cache (ST's ART) that always hits costs none. Constants that are
read from the flash are taken to be there at once.

Where a manual gives a range, multiplications and divisions take its longest; a pipeline refill, 1 to 3 cycles, takes 1
where the branch holds its target, which the fetch unit knows early, and 3 where a register does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from .counting import Blocks
from .thumb import Instruction, Kind

_REFILL = 1
_REFILL_BY_REGISTER = 3


@dataclass(frozen=True)
class Cost:
    """Cycles of a block: always, and in addition where its last branch is conditional and taken."""

    always: int
    taken: int = 0


@dataclass(frozen=True)
class CycleModel:
    """How a core is estimated.

    source: where the figures are from, and what is left out.
    cost:   of a block.
    """

    source: str
    cost: Callable[[Sequence[Instruction]], Cost]


def estimate(
    blocks: Blocks, model: CycleModel, instructions: Callable[[int, int], Sequence[Instruction]], wait_states: int = 0
) -> int:
    """The cycles of what was executed.

    Args:
        blocks: what was.
        model: of the core.
        instructions: those of a block, by its address and size.
        wait_states: of the flash.
    """
    total = 0
    for block in blocks:
        cost = model.cost(instructions(int(block["address"]), int(block["size"])))
        total += cost.always * int(block["executions"]) + (cost.taken + wait_states) * int(block["taken"])
    return total


# Cortex-M0+ -----------------------------------------------------------------------------------------------------------


def _two_stages(block: Sequence[Instruction]) -> Cost:
    """The table as it is: two pipeline stages, nothing overlaps."""
    cycles = 0
    for instruction in block:
        kind = instruction.kind
        if kind in ("load", "store"):
            cycles += 2
        elif kind in ("load_multiple", "store_multiple"):
            cycles += instruction.registers + (3 if instruction.to_pc else 1)
        elif kind == "call":
            cycles += 3
        elif kind in ("branch", "branch_to_register") or instruction.to_pc:
            cycles += 2
        else:
            cycles += 1
    return Cost(cycles, 1 if block[-1].kind == "conditional_branch" else 0)


# Cortex-M3, M4, M33 ---------------------------------------------------------------------------------------------------

_M3: Mapping[Kind, int] = MappingProxyType(
    {"multiply_add": 2, "long_multiply": 5, "long_multiply_add": 7, "divide": 12, "table_branch": 6, "load": 2}
)
_M4: Mapping[Kind, int] = MappingProxyType({"divide": 12, "table_branch": 6, "load": 2})


def _three_stages(cycles: Mapping[Kind, int]) -> Callable[[Sequence[Instruction]], Cost]:
    """A model of three pipeline stages. ``cycles``: of the kinds that take more than one by themselves."""

    def cost(block: Sequence[Instruction]) -> Cost:
        total, before = 0, None
        for instruction in block:
            total += _alone(instruction, cycles) + _beside(instruction, before)
            before = instruction
        return Cost(total, _REFILL if block[-1].kind == "conditional_branch" else 0)

    return cost


def _alone(instruction: Instruction, cycles: Mapping[Kind, int]) -> int:
    kind = instruction.kind
    if kind == "load" and instruction.to_pc:
        return 2 + _REFILL_BY_REGISTER
    if kind == "store":  # with an immediate offset one cycle, always
        return 2 if instruction.by_register else 1
    if kind in ("load_pair", "store_pair"):
        return 3
    if kind in ("load_multiple", "store_multiple"):
        return 1 + instruction.registers + (_REFILL_BY_REGISTER if instruction.to_pc else 0)
    if kind in ("branch", "call"):
        return 1 + _REFILL
    if kind == "branch_to_register" or instruction.to_pc:
        return 1 + _REFILL_BY_REGISTER
    return cycles.get(kind, 1)


def _beside(instruction: Instruction, before: Instruction | None) -> int:
    """Cycles more or less than alone, for what stands in front of it."""
    if before is None:
        return 0
    if instruction.kind == "if_then":  # folded into a 16-bit instruction
        return -1 if before.size == 2 else 0
    if instruction.kind not in ("load", "store"):
        return 0
    if before.kind == "load":  # their address and data phases overlap, unless one waits for the other
        waits = bool(before.writes & instruction.address)
        return -1 if not waits and (instruction.kind == "load" or instruction.by_register) else 0
    is_data = before.kind not in ("store", "load_pair", "store_pair", "load_multiple", "store_multiple")
    return 1 if is_data and before.writes & instruction.address else 0


# Cortex-M7 ------------------------------------------------------------------------------------------------------------

_MEMORY: tuple[Kind, ...] = (
    *("load", "store", "load_pair", "store_pair", "load_multiple", "store_multiple", "table_branch"),
)
_MULTIPLIER: tuple[Kind, ...] = (*("multiply", "multiply_add", "long_multiply", "long_multiply_add", "dsp", "divide"),)
_ALONE: tuple[Kind, ...] = (
    *("load_pair", "store_pair", "load_multiple", "store_multiple", "divide", "table_branch", "call"),
)
_LOAD_TO_USE = 2
_MULTIPLY_TO_USE = 2


def _two_at_a_time(block: Sequence[Instruction]) -> Cost:
    """Issues instructions in order, two in a cycle where they may go together."""
    ready: dict[int, int] = {}
    cycle = 0
    issued: list[Instruction] = []  # what goes in this cycle
    for instruction in block:
        start = max([cycle, *(ready[register] for register in instruction.reads if register in ready)])
        if start > cycle or not _go_together(issued, instruction):
            cycle, issued = max(start, cycle + 1 if issued else cycle), []
        issued.append(instruction)
        if instruction.kind in _ALONE:
            cycle += _duration(instruction) - 1
        for register in instruction.writes:
            ready[register] = cycle + _latency(instruction)
    return Cost(cycle + 1)


def _go_together(issued: Sequence[Instruction], second: Instruction) -> bool:
    if not issued:
        return True
    (first, *others) = issued
    if others or first.kind in _ALONE or second.kind in _ALONE or _jumps(first):
        return False
    if first.writes & (second.reads | second.writes):
        return False
    stores = [i for i in (first, second) if i.kind == "store"]
    both_memory = first.kind in _MEMORY and second.kind in _MEMORY
    both_shift = first.shifts and second.shifts
    return not (second.kind in _MULTIPLIER or both_shift or (both_memory and stores))


def _jumps(instruction: Instruction) -> bool:
    return instruction.to_pc or instruction.kind in ("branch", "conditional_branch", "branch_to_register", "call")


def _duration(instruction: Instruction) -> int:
    if instruction.kind in ("load_multiple", "store_multiple"):
        return 1 + (instruction.registers + 1) // 2
    return {"divide": 12, "table_branch": 6}.get(instruction.kind, 1)


def _latency(instruction: Instruction) -> int:
    if instruction.kind in ("load", "load_pair", "load_multiple"):
        return _LOAD_TO_USE
    return _MULTIPLY_TO_USE if instruction.kind in _MULTIPLIER else 1


CYCLE_MODELS: Mapping[str, CycleModel] = MappingProxyType(
    {
        "cortex-m0plus": CycleModel("Arm DDI 0484, table 3.1, with the multiplier of one cycle", _two_stages),
        "cortex-m3": CycleModel("Arm 100165, instruction set summary and load/store timings", _three_stages(_M3)),
        "cortex-m4": CycleModel("Arm 100166, table 3-1 and load/store timings", _three_stages(_M4)),
        "cortex-m7": CycleModel(
            "an approximation, as Arm publishes no timings: six stages of which two instructions go at a time where "
            "neither needs the other, at most one of them stores or multiplies, and the second does not multiply; a "
            "load's or a multiplication's result a cycle later; every branch predicted",
            _two_at_a_time,
        ),
        "cortex-m33": CycleModel(
            "the figures of Cortex-M4 (Arm 100166), as Arm 100230 gives none; pairs of 16-bit instructions that go "
            "together are left out",
            _three_stages(_M4),
        ),
    }
)
