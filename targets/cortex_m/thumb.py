"""Thumb code: cut into instructions by the rule of their lengths (Arm ARM, A5.1), and disassembled."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

_WIDE = 0b11101
"""From this value of its five upper bits on, a halfword is the first of two."""


def lengths(code: bytes) -> Iterator[int]:
    """The bytes of each instruction of a block of code, which holds nothing but whole instructions."""
    offset = 0
    while offset < len(code):
        length = 4 if code[offset + 1] >> 3 >= _WIDE else 2
        yield length
        offset += length
    if offset != len(code):
        raise ValueError("a block of code ends within an instruction")


_PACKING = ("pkhbt", "pkhtb", "sxtab", "sxtab16", "sxtah", "sxtb16", "uxtab", "uxtab16", "uxtah", "uxtb16")


def first_of_extension(code: bytes, address: int) -> tuple[int, str] | None:
    """Where in a block the first instruction of the DSP extension is, and its name."""
    from capstone.arm_const import ARM_GRP_THUMB2DSP

    for instruction in _disassembler().disasm(code, address):
        if ARM_GRP_THUMB2DSP in instruction.groups or instruction.mnemonic.removesuffix(".w") in _PACKING:
            return instruction.address, instruction.mnemonic
    return None


@lru_cache
def _disassembler() -> Any:
    from capstone import CS_ARCH_ARM, CS_MODE_MCLASS, CS_MODE_THUMB, Cs

    disassembler = Cs(CS_ARCH_ARM, CS_MODE_THUMB | CS_MODE_MCLASS)
    disassembler.detail = True
    return disassembler
