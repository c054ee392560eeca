"""A simulated core with an image in its flash: functions are called by name, and what they execute is counted.

The core is unicorn's model of it, which refuses instructions that the core does not have. Arrays that are passed lie in
memory of their own, each at the end of a page, so that reading behind one faults; writing around one is found after the
call.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from unicorn import Uc, UcError, arm_const, unicorn_const

from edgebnn.errors import EdgebnnError
from edgebnn.graph.types import Array

from . import thumb
from .counting import BlockCounter, Blocks, difference
from .image import Image

_PAGE = 4096
_ALIGNMENT = 16
_ARGUMENTS = 0x6000_0000
_PAINT = 0xA5
_LONGEST = 1 << 32
"""Blocks that a call may execute: hours."""

_MODELS = {
    "cortex-m0plus": arm_const.UC_CPU_ARM_CORTEX_M0,  # the same instruction set, ARMv6-M
    "cortex-m3": arm_const.UC_CPU_ARM_CORTEX_M3,
    "cortex-m4": arm_const.UC_CPU_ARM_CORTEX_M4,
    "cortex-m7": arm_const.UC_CPU_ARM_CORTEX_M7,
    "cortex-m33": arm_const.UC_CPU_ARM_CORTEX_M33,
}
_REGISTERS = (arm_const.UC_ARM_REG_R0, arm_const.UC_ARM_REG_R1, arm_const.UC_ARM_REG_R2, arm_const.UC_ARM_REG_R3)
_ACCESSES = {
    unicorn_const.UC_MEM_READ_UNMAPPED: "reads {size} bytes at",
    unicorn_const.UC_MEM_READ_PROT: "reads {size} bytes at",
    unicorn_const.UC_MEM_WRITE_UNMAPPED: "writes {size} bytes at",
    unicorn_const.UC_MEM_WRITE_PROT: "writes {size} bytes at",
    unicorn_const.UC_MEM_FETCH_UNMAPPED: "jumps to",
    unicorn_const.UC_MEM_FETCH_PROT: "jumps to",
}


class SimulationError(EdgebnnError):
    """Code that was simulated did what the core cannot do, or wrote where it must not."""


@dataclass(frozen=True)
class Section:
    """What was executed from one call of the profile hook to the next.

    ``number``: what the hook was called with; None in front of its first call.
    """

    number: int | None
    blocks: Blocks
    instructions: int


@dataclass(frozen=True)
class Call:
    """What a call did.

    Attributes:
        value: what it returned: the core's register r0, unsigned.
        arrays: for each argument that is an array, what it holds afterwards.
        sections: what was executed, cut at the calls of the profile hook.
        stack_bytes: of the stack that were written.
    """

    value: int
    arrays: tuple[Array, ...]
    sections: tuple[Section, ...]
    stack_bytes: int

    @property
    def instructions(self) -> int:
        """Executed in all. One that a condition skips counts, as the core takes it up all the same."""
        return sum(section.instructions for section in self.sections)


class Machine:
    """A core that has run its start-up code."""

    def __init__(self, image: Image, marks: str | None = None) -> None:
        """
        Args:
            image: what is in the flash.
            marks: the name of a function whose calls, with an integer, cut what is counted into sections.

        Raises:
            InputError: there is no such function.
            SimulationError: the start-up code, or a main in the image, fails.
        """
        self.image = image
        self._engine = Uc(unicorn_const.UC_ARCH_ARM, unicorn_const.UC_MODE_THUMB)
        self._engine.ctl_set_cpu_model(_MODELS[image.core.name])
        memory = image.memory
        self._map(memory.flash_origin, memory.flash_bytes, unicorn_const.UC_PROT_READ | unicorn_const.UC_PROT_EXEC)
        self._map(memory.ram_origin, memory.ram_bytes, unicorn_const.UC_PROT_READ | unicorn_const.UC_PROT_WRITE)
        for address, data in image.segments:
            self._engine.mem_write(address, data)
        self._stack_top = memory.ram_origin + (memory.stack_bytes + 7) // 8 * 8
        self._free = _ARGUMENTS
        self._access = ""
        self._engine.hook_add(unicorn_const.UC_HOOK_MEM_INVALID, _weakly(self._note_access))
        self._counter = BlockCounter(self._engine)
        self._lengths: dict[tuple[int, int], int] = {}
        self._marked: list[tuple[int, Blocks]] = []
        self._at_mark: Callable[[int], None] | None = None
        if marks is not None:  # before anything is executed: what is translated is not translated again for a hook
            mark = image.address(marks)
            self._engine.hook_add(unicorn_const.UC_HOOK_CODE, _weakly(self._note_mark), begin=mark, end=mark)
        weakref.finalize(self, _close, self._engine)
        self._run("eb_reset", self._stack_top)

    def call(
        self,
        function: str,
        *arguments: int | Array | bytes,
        at_mark: Callable[[int], None] | None = None,
        limit: int = _LONGEST,
    ) -> Call:
        """Call a function of the image by the procedure call standard.

        Args:
            function: its name.
            arguments: integers and addresses as they are; arrays and bytes are put into memory, and their address is
                passed.
            at_mark: called with the integer wherever the marking function is, while memory can be read.
            limit: blocks of code that may be executed.

        Raises:
            InputError: there is no such function.
            SimulationError: the code faults, does not end, or writes around an array.
        """
        buffers: list[_Buffer] = []
        words = []
        for argument in arguments:
            if not isinstance(argument, int):
                buffers.append(self._place(argument))
            words.append((argument if isinstance(argument, int) else buffers[-1].address) & 0xFFFF_FFFF)
        on_stack = words[len(_REGISTERS) :]
        stack = self._stack_top - (len(on_stack) + 1) // 2 * 8
        base = self.image.memory.ram_origin
        self._engine.mem_write(base, bytes([_PAINT]) * (self._stack_top - base))
        self.write(stack, np.array(on_stack, np.uint32).tobytes())
        for register, word in zip(_REGISTERS, words, strict=False):
            self._engine.reg_write(register, word)
        self._at_mark = at_mark
        try:
            sections = self._run(function, stack, limit)
            arrays = tuple(self._taken_back(buffer, function) for buffer in buffers)
        finally:
            for buffer in buffers:
                self._engine.mem_unmap(buffer.start, buffer.mapped)
        untouched = np.frombuffer(self.read(base, stack - base), np.uint8) == _PAINT
        used = int(np.argmin(untouched)) if not untouched.all() else len(untouched)
        return Call(self._register(_REGISTERS[0]), arrays, sections, stack - base - used)

    def read(self, address: int, size: int) -> bytes:
        """Memory as it is."""
        return bytes(self._engine.mem_read(address, size))

    def write(self, address: int, data: bytes) -> None:
        """Change memory, the flash included."""
        self._engine.mem_write(address, data)

    def where(self, address: int) -> str:
        """An address as people write it: a function and an offset in it."""
        for symbol in self.image.symbols:
            if symbol.section == "text" and symbol.address <= address < symbol.address + max(symbol.size, 1):
                return f"{symbol.name}+{address - symbol.address:#x}"
        return f"{address:#010x}"

    def _map(self, address: int, size: int, permissions: int) -> None:
        self._engine.mem_map(address, _in_pages(size), permissions)

    def _register(self, register: int) -> int:
        return int(self._engine.reg_read(register))

    def _run(self, function: str, stack: int, limit: int = _LONGEST) -> tuple[Section, ...]:
        """Execute from the function on to its return, or to where firmware ends."""
        start, end = self.image.address(function), self.image.address("eb_halt")
        self._engine.reg_write(arm_const.UC_ARM_REG_SP, stack)
        self._engine.reg_write(arm_const.UC_ARM_REG_LR, end | 1)
        self._access = ""
        self._marked.clear()
        self._counter.start(limit)
        try:
            self._engine.emu_start(start | 1, end)
        except UcError as error:
            raise SimulationError(self._what_failed(function, error)) from None
        if failure := self._counter.failure():
            raise SimulationError(f"{function} {failure}")
        blocks = self._counter.read()
        self._check_extension(function, blocks)
        return tuple(self._sections(blocks))

    def _sections(self, executed: Blocks) -> Iterator[Section]:
        number: int | None = None
        before = executed[:0]
        for following, blocks in [*self._marked, (None, executed)]:
            part = difference(blocks, before)
            yield Section(number, part, self._instructions(part))
            number, before = following, blocks

    def _note_mark(self, engine: Uc, address: int, size: int, data: object) -> None:
        number = _signed(self._register(_REGISTERS[0]))
        self._marked.append((number, self._counter.read()))
        if self._at_mark is not None:
            self._at_mark(number)

    def _check_extension(self, function: str, blocks: Blocks) -> None:
        """Unicorn executes some instructions of the DSP extension on every core with Thumb-2."""
        if self.image.core.dsp or not self.image.core.thumb2:
            return
        for block in blocks:
            address, size = int(block["address"]), int(block["size"])
            found = thumb.first_of_extension(self.read(address, size), address)
            if found:
                at, name = found
                title = self.image.core.title
                raise SimulationError(f"{function} fails at {self.where(at)}: {title} has no such instruction ({name})")

    def _instructions(self, blocks: Blocks) -> int:
        return sum(
            int(block["executions"]) * self._length(int(block["address"]), int(block["size"])) for block in blocks
        )

    def _length(self, address: int, size: int) -> int:
        """Instructions of a block."""
        if (address, size) not in self._lengths:
            self._lengths[address, size] = sum(1 for _ in thumb.lengths(self.read(address, size)))
        return self._lengths[address, size]

    def _place(self, argument: Array | bytes) -> _Buffer:
        """Put a copy of an array at the end of pages of its own, with a page that is not there behind them."""
        values = np.frombuffer(argument, np.uint8) if isinstance(argument, bytes) else np.asarray(argument, order="C")
        size = -(-max(values.nbytes, 1) // _ALIGNMENT) * _ALIGNMENT
        mapped = _in_pages(size + _ALIGNMENT)
        buffer = _Buffer(self._free, mapped, self._free + mapped - size, values)
        self._map(buffer.start, mapped, unicorn_const.UC_PROT_READ | unicorn_const.UC_PROT_WRITE)
        self._free += mapped + _PAGE
        self._engine.mem_write(buffer.start, buffer.content())
        return buffer

    def _taken_back(self, buffer: _Buffer, function: str) -> Array:
        content = bytearray(self.read(buffer.start, buffer.mapped))
        begin = buffer.address - buffer.start
        end = begin + buffer.values.nbytes
        values = np.frombuffer(bytes(content[begin:end]), buffer.values.dtype).reshape(buffer.values.shape)
        content[begin:end] = buffer.values.tobytes()
        if bytes(content) != buffer.content():
            raise SimulationError(f"{function} writes in front of or behind an array of {buffer.values.nbytes} bytes")
        return values

    def _note_access(self, engine: Uc, access: int, address: int, size: int, value: int, data: object) -> bool:
        does = _ACCESSES[access].format(size=size)
        self._access = f"{does} {address:#010x}{self._explained(address)}"
        return False

    def _explained(self, address: int) -> str:
        memory = self.image.memory
        if 0 < memory.ram_origin - address <= _PAGE:
            return f", below the RAM: the stack of {memory.stack_bytes} bytes overflows"
        if memory.flash_origin <= address < memory.flash_origin + memory.flash_bytes:
            return ", in the flash"
        return ", where there is no memory"

    def _what_failed(self, function: str, error: UcError) -> str:
        at = self._register(arm_const.UC_ARM_REG_PC)
        if self._access:
            return f"{function} {self._access} (at {self.where(at)})"
        title = self.image.core.title
        return (
            f"{function} fails at {self.where(at)}: {title} has no such instruction, "
            f"or does not access memory so ({error})"
        )


@dataclass(frozen=True)
class _Buffer:
    """An array in memory of its own: pages, and where in them it lies."""

    start: int
    mapped: int
    address: int
    values: Array = field(repr=False)

    def content(self) -> bytes:
        """The pages: the array, and paint around it."""
        before = self.address - self.start
        data = self.values.tobytes()
        return bytes([_PAINT]) * before + data + bytes([_PAINT]) * (self.mapped - before - len(data))


def _weakly(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method as a hook that does not keep its machine alive."""
    reference = weakref.WeakMethod(method)

    def call(*arguments: Any) -> Any:
        found = reference()
        return None if found is None else found(*arguments)

    return call


def _close(engine: Uc) -> None:
    """Give an engine's memory back now: it has callbacks that refer to it, and would wait for the garbage collector."""
    close = getattr(engine, "_Uc__finalizer", None)
    if close is not None:
        close()


def _signed(word: int) -> int:
    return word - (1 << 32) if word >> 31 else word


def _in_pages(size: int) -> int:
    return -(-size // _PAGE) * _PAGE
