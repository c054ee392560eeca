"""Thumb code: cut into instructions by the rule of their lengths (Arm ARM, A5.1), and disassembled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal

_WIDE = 0b11101
"""From this value of its five upper bits on, a halfword is the first of two."""

Kind = Literal[
    "data",
    "multiply",
    "multiply_add",
    "long_multiply",
    "long_multiply_add",
    "divide",
    "dsp",
    "load",
    "store",
    "load_pair",
    "store_pair",
    "load_multiple",
    "store_multiple",
    "branch",
    "conditional_branch",
    "call",
    "branch_to_register",
    "table_branch",
    "if_then",
]

_KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "mul": "multiply",
        "mla": "multiply_add",
        "mls": "multiply_add",
        "smull": "long_multiply",
        "umull": "long_multiply",
        "smlal": "long_multiply_add",
        "umlal": "long_multiply_add",
        "sdiv": "divide",
        "udiv": "divide",
        "ldrd": "load_pair",
        "strd": "store_pair",
        "ldm": "load_multiple",
        "ldmdb": "load_multiple",
        "pop": "load_multiple",
        "stm": "store_multiple",
        "stmdb": "store_multiple",
        "push": "store_multiple",
        "b": "branch",
        "bl": "call",
        "bx": "branch_to_register",
        "blx": "branch_to_register",
        "cbz": "conditional_branch",
        "cbnz": "conditional_branch",
        "tbb": "table_branch",
        "tbh": "table_branch",
        "it": "if_then",
    }
)
_PACKING = ("pkhbt", "pkhtb", "sxtab", "sxtab16", "sxtah", "sxtb16", "uxtab", "uxtab16", "uxtah", "uxtb16")
"""Of the DSP extension, too, but in no group of the disassembler's."""


@dataclass(frozen=True)
class Instruction:
    """One instruction of a block of code.

    size:      2 or 4 bytes.
    registers: how many are loaded or stored, where there may be several.
    to_pc:     the program counter is written other than by a branch: by a load or a move.
    reads, writes: registers by the disassembler's numbers, without the flags.
    address:   of what it reads, the registers that make up a memory address.
    by_register: the address is a sum of two registers.
    shifts:    an operand passes the shifter first.
    """

    name: str
    kind: Kind
    size: int
    registers: int
    to_pc: bool
    reads: frozenset[int]
    writes: frozenset[int]
    address: frozenset[int]
    by_register: bool
    shifts: bool


def lengths(code: bytes) -> Iterator[int]:
    """The bytes of each instruction of a block of code, which holds nothing but whole instructions."""
    offset = 0
    while offset < len(code):
        length = 4 if code[offset + 1] >> 3 >= _WIDE else 2
        yield length
        offset += length
    if offset != len(code):
        raise ValueError("a block of code ends within an instruction")


def first_of_extension(code: bytes, address: int) -> tuple[int, str] | None:
    """Where in a block the first instruction of the DSP extension is, and its name."""
    for instruction in _disassembler().disasm(code, address):
        if _is_dsp(instruction):
            return instruction.address, instruction.mnemonic
    return None


def disassemble(code: bytes, address: int) -> tuple[Instruction, ...]:
    """The instructions of a block of code."""
    return tuple(map(_instruction, _disassembler().disasm(code, address)))


@lru_cache
def _disassembler() -> Any:
    from capstone import CS_ARCH_ARM, CS_MODE_MCLASS, CS_MODE_THUMB, Cs

    disassembler = Cs(CS_ARCH_ARM, CS_MODE_THUMB | CS_MODE_MCLASS)
    disassembler.detail = True
    return disassembler


def _instruction(found: Any) -> Instruction:
    from capstone.arm_const import (
        ARM_CC_AL,
        ARM_CC_INVALID,
        ARM_OP_MEM,
        ARM_OP_REG,
        ARM_REG_CPSR,
        ARM_REG_PC,
        ARM_SFT_INVALID,
    )

    name = found.insn_name()
    kind = _kind(found, name)
    if kind == "branch" and found.cc not in (ARM_CC_AL, ARM_CC_INVALID):
        kind = "conditional_branch"
    reads, writes = (frozenset(registers) - {ARM_REG_CPSR} for registers in found.regs_access())
    memory = [operand.mem for operand in found.operands if operand.type == ARM_OP_MEM]
    listed = [operand for operand in found.operands if operand.type == ARM_OP_REG]
    return Instruction(
        name=name,
        kind=kind,
        size=found.size,
        registers=len(listed) - (name not in ("push", "pop")) if kind.endswith("multiple") else 1,
        to_pc=kind in ("data", "load", "load_multiple") and ARM_REG_PC in writes,
        reads=reads,
        writes=writes,
        address=frozenset(register for mem in memory for register in (mem.base, mem.index) if register),
        by_register=any(mem.index for mem in memory),
        shifts=any(operand.shift.type != ARM_SFT_INVALID for operand in found.operands if operand.type == ARM_OP_REG),
    )


def _kind(found: Any, name: str) -> Kind:
    if name in _KINDS:
        return _KINDS[name]
    if _is_dsp(found):
        return "dsp"
    if name.startswith("ldr"):
        return "load"
    return "store" if name.startswith("str") else "data"


def _is_dsp(found: Any) -> bool:
    from capstone.arm_const import ARM_GRP_THUMB2DSP

    return ARM_GRP_THUMB2DSP in found.groups or found.insn_name() in _PACKING
