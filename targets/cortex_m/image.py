"""An ELF image for a microcontroller: what is loaded where, the addresses of symbols, and what takes how many bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from elftools.elf.elffile import ELFFile

from edgebnn.errors import InputError
from edgebnn.kernels.cores import Core


@dataclass(frozen=True)
class Memory:
    """Where a microcontroller's memories lie, and their bytes. The stack is the first part of the RAM."""

    flash_bytes: int = 1 << 20
    ram_bytes: int = 256 << 10
    stack_bytes: int = 8 << 10
    flash_origin: int = 0x0800_0000
    ram_origin: int = 0x2000_0000


@dataclass(frozen=True)
class Symbol:
    """A function or a variable. ``section``: "text", "rodata", "data", "bss" or "stack"."""

    name: str
    address: int
    size: int
    section: str


@dataclass(frozen=True)
class Image:
    """Attributes:
    core: that it was compiled for.
    memory: that it was linked for.
    segments: what lies in the flash: address and bytes; initial values of variables among them.
    symbols: functions and variables; addresses of functions without the Thumb bit.
    sections: bytes of text, rodata, data, bss and stack.
    """

    core: Core
    memory: Memory
    segments: tuple[tuple[int, bytes], ...]
    symbols: tuple[Symbol, ...]
    sections: Mapping[str, int]

    @property
    def flash_bytes(self) -> int:
        """Code, constants, and the initial values of variables."""
        return self.sections["text"] + self.sections["rodata"] + self.sections["data"]

    @property
    def ram_bytes(self) -> int:
        """Variables, without the stack."""
        return self.sections["data"] + self.sections["bss"]

    def address(self, name: str) -> int:
        """Where a function or a variable lies. Raises InputError if the image has none of this name."""
        for symbol in self.symbols:
            if symbol.name == name:
                return symbol.address
        raise InputError(f"the image for {self.core.title} has no symbol '{name}'")


SECTIONS = ("text", "rodata", "data", "bss", "stack")
"""Those of our linker script."""


def read_image(content: bytes, core: Core, memory: Memory) -> Image:
    """An image linked with our script, from the ELF file's content."""
    elf: Any = ELFFile(io.BytesIO(content))
    names = {
        number: section.name[1:] for number, section in enumerate(elf.iter_sections()) if section.name[1:] in SECTIONS
    }
    sizes = {section.name[1:]: section["sh_size"] for section in elf.iter_sections()}
    loaded = [segment for segment in elf.iter_segments() if segment["p_type"] == "PT_LOAD" and segment["p_filesz"]]
    symbols = [
        Symbol(symbol.name, _without_thumb_bit(symbol), symbol["st_size"], names[symbol["st_shndx"]])
        for symbol in elf.get_section_by_name(".symtab").iter_symbols()
        if symbol["st_shndx"] in names and symbol["st_info"]["type"] in ("STT_FUNC", "STT_OBJECT")
    ]
    return Image(
        core,
        memory,
        tuple((segment["p_paddr"], segment.data()) for segment in loaded),
        tuple(symbols),
        {name: sizes.get(name, 0) for name in SECTIONS},
    )


def _without_thumb_bit(symbol: Any) -> int:
    address: int = symbol["st_value"]
    return address & ~1 if symbol["st_info"]["type"] == "STT_FUNC" else address
