"""The simulated cores: counts that are exact, memory that is watched, instructions that a core does not have."""

from __future__ import annotations

import gc
import importlib.util
import re
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from unicorn import Uc, arm_const, unicorn_const

from edgebnn.errors import BuildError, InputError
from edgebnn.kernels.cores import CORES, Core
from edgebnn.targets.cortex_m import Machine, Memory, compile_image, simulate
from edgebnn.targets.cortex_m.machine import SimulationError
from tests.support.thumb_code import MIXED


def python_value(x: np.ndarray) -> int:
    def choose(n: int) -> int:
        table = [5, 4, 3] + [0] * 61
        return (5, n * 3, -n, n // 5, 1 if n > 40 else 2, n * 123456789 >> 31, table[n & 63])[n % 7]

    total = sum(-2 * int(v) if v < 0 else int(v) + choose(i) for i, v in enumerate(x))
    return total + int(x.max()) * 1000 + 34


X = np.random.default_rng(3).integers(-128, 128, 300, dtype=np.int8)


def one_by_one(machine: Machine, arguments: Sequence[int]) -> int:
    """Instructions by a hook on each, which is not called for those that an IT instruction skips: these are added."""
    count = 0
    conditional: set[int] = set()

    def step(engine: Uc, address: int, size: int, data: object) -> None:
        nonlocal count
        count += address not in conditional
        halfword = int.from_bytes(machine.read(address, 2), "little")
        if halfword >> 8 == 0xBF and halfword & 0xF:
            for _ in range(4 - ((halfword & -halfword).bit_length() - 1)):
                address += size
                size = 4 if machine.read(address, 2)[1] >> 3 >= 0b11101 else 2
                conditional.add(address)
                count += 1

    machine._engine.hook_add(unicorn_const.UC_HOOK_CODE, step)
    machine._engine.ctl_flush_tb()
    machine.call("mixed", *arguments)
    return count


def single_steps(machine: Machine, function: str, *words: int) -> int:
    """Emulator runs of a single instruction each that a call takes."""
    engine = machine._engine
    end = machine.image.address("eb_halt")
    engine.ctl_flush_tb()
    engine.reg_write(arm_const.UC_ARM_REG_SP, machine._stack_top)
    engine.reg_write(arm_const.UC_ARM_REG_LR, end | 1)
    for register, word in enumerate(words):
        engine.reg_write(arm_const.UC_ARM_REG_R0 + register, word)
    at, count = machine.image.address(function), 0
    while at != end:
        engine.emu_start(at | 1, end, count=1)
        at, count = engine.reg_read(arm_const.UC_ARM_REG_PC), count + 1
    return count


@pytest.mark.parametrize("core", CORES.values(), ids=lambda core: core.name)
@pytest.mark.parametrize("optimisation", ["-O2", "-Os"])
def test_counts_are_those_of_single_instructions(core: Core, optimisation: str) -> None:
    image = compile_image(core, [MIXED], keep=("mixed", "depth"), flags=[optimisation])
    machine = Machine(image)
    out = np.zeros(26, np.int32)
    call = machine.call("mixed", X, len(X), out)
    assert np.int32(np.uint32(call.value)) == python_value(X)
    assert struct.unpack("<f", call.arrays[1][:1].tobytes())[0] == product(X)
    assert machine.call("mixed", X, len(X), out).instructions == call.instructions
    assert machine.call("depth", 7).instructions == single_steps(machine, "depth", 7)
    assert one_by_one(machine, (X, len(X), out)) == call.instructions


def product(x: np.ndarray) -> np.float32:
    result = np.float32(1)
    for value in x:
        result *= np.float32(1) + np.float32(value) / np.float32(1000)
    return result


def test_conditional_instructions_count_whether_they_are_skipped_or_not() -> None:
    code = """
    __attribute__((naked)) int skipped(int n)
    {
        __asm volatile("cmp r0, #0\\n ittee eq\\n moveq r0, #1\\n addeq r0, #2\\n"
                       "movne r0, #3\\n addne r0, #4\\n bx lr");
    }
    """
    machine = Machine(compile_image(CORES["cortex-m4"], [code], keep=("skipped",)))
    for argument, value in ((0, 3), (5, 7)):
        call = machine.call("skipped", argument)
        assert (call.value, call.instructions) == (value, 7)


def test_branches_that_are_taken_are_told_from_those_that_are_not() -> None:
    code = """
    __attribute__((naked)) int count(int n)
    {
        __asm volatile("movs r1, #0\\n 1: adds r1, #1\\n subs r0, #1\\n bne 1b\\n mov r0, r1\\n bx lr");
    }
    """
    machine = Machine(compile_image(CORES["cortex-m3"], [code], keep=("count",)))
    call = machine.call("count", 100)
    assert (call.value, call.instructions) == (100, 1 + 3 * 100 + 2)
    (section,) = call.sections
    start = machine.image.address("count")
    taken = {int(block["address"]) - start: int(block["taken"]) for block in section.blocks}
    assert taken[2] + taken[0] == 99


def test_sections_are_cut_where_the_hook_is_called() -> None:
    code = """
    __attribute__((weak, noinline)) void hook(int layer) { __asm volatile("" : : "r"(layer)); }
    int loop(int n) { for (int i = 0; i < n; ++i) __asm volatile("nop"); return n; }
    void run(void) { hook(0); loop(100); hook(1); loop(200); hook(2); loop(100); hook(3); hook(-1); }
    """
    machine = Machine(compile_image(CORES["cortex-m4"], [code], keep=("run", "loop"), flags=["-fno-inline"]), "hook")
    call = machine.call("run")
    assert [section.number for section in call.sections] == [None, 0, 1, 2, 3, -1]
    before, first, second, third, _, _ = (section.instructions for section in call.sections)
    assert first == third
    assert second - first == 100 * machine_loop(machine)
    assert before < 10
    assert machine.call("run").sections[3].instructions == third, "on later calls, too"


def machine_loop(machine: Machine) -> int:
    """Instructions of a turn of ``loop``."""
    return (machine.call("loop", 1100).instructions - machine.call("loop", 100).instructions) // 1000


@pytest.mark.parametrize("core", ["cortex-m0plus", "cortex-m3"])
def test_cores_refuse_instructions_that_they_do_not_have(core: str) -> None:
    encoded = {"cortex-m0plus": "udiv r0, r0, r1: 0xf0f1fbb0", "cortex-m3": "usada8 r0, r1, r2, r3: 0x3002fb71"}[core]
    code = f'__attribute__((naked)) int other(int a) {{ __asm volatile(".word {encoded.split()[-1]}\\n bx lr"); }}'
    title = re.escape(CORES[core].title)
    with pytest.raises(SimulationError, match=rf"^other fails at other\+0x0: {title} has no such instruction"):
        simulate(core, [code], "other", 3)
    assert simulate("cortex-m4", [code], "other", 3).instructions == 2


FAULTS = """
#include <stdint.h>
int ends(const int8_t *x, int n) { return x[n]; }
void sets(int8_t *x, int n) { x[n] = 1; }
int word(const int32_t *x) { return *x; }
const int8_t constants[4] = {1, 2, 3, 4};
void constant(void) { *(volatile int8_t *)&constants[1] = 3; }
int deep(int n) { volatile int block[100]; block[n % 100] = n; return n ? deep(n - 1) + block[n % 100] : 0; }
void forever(void) { for (;;) __asm volatile(""); }
"""
FAULTY = ("ends", "sets", "word", "constant", "deep", "forever")


@pytest.fixture(scope="module", params=["cortex-m0plus", "cortex-m4"])
def faulty(request: pytest.FixtureRequest) -> Machine:
    return Machine(compile_image(CORES[request.param], [FAULTS], keep=FAULTY))


def test_faults_say_where_and_why(faulty: Machine) -> None:
    x = np.ones(5, np.int8)
    assert faulty.call("ends", x, 4).value == 1
    with pytest.raises(SimulationError, match=r"^ends reads 1 bytes at 0x6.*, where there is no memory \(at ends\+"):
        faulty.call("ends", x, 16)
    for index in (5, -1):
        with pytest.raises(SimulationError, match=r"^sets writes in front of or behind an array of 5 bytes$"):
            faulty.call("sets", x, index)
    with pytest.raises(SimulationError, match=r"^constant writes 1 bytes at 0x080.*, in the flash \(at constant\+"):
        faulty.call("constant")
    with pytest.raises(SimulationError, match=r"^deep writes .* below the RAM: the stack of 8192 bytes overflows"):
        faulty.call("deep", 100)
    with pytest.raises(SimulationError, match=r"^forever does not end"):
        faulty.call("forever", limit=1000)
    with pytest.raises(InputError, match="has no symbol 'other'"):
        faulty.call("other")
    assert faulty.call("ends", x, 3).value == 1, "and goes on after a fault"


def test_a_core_without_unaligned_access_refuses_it() -> None:
    aligned = np.arange(8, dtype=np.uint8)
    for core in ("cortex-m4", "cortex-m33"):
        machine = Machine(compile_image(CORES[core], [FAULTS], keep=("word",)))
        address = machine.image.memory.ram_origin + 1
        machine.write(address, aligned[:4].tobytes())
        machine.call("word", address + 100)
    machine = Machine(compile_image(CORES["cortex-m0plus"], [FAULTS], keep=("word",)))
    with pytest.raises(SimulationError, match=r"^word fails at word\+0x0: Cortex-M0\+ .* does not access memory so"):
        machine.call("word", machine.image.memory.ram_origin + 1)


def test_stack_is_what_was_written() -> None:
    code = "#include <string.h>\nint use(int n) { volatile char a[1000]; memset((char *)a, n, 1000); return a[n]; }"
    call = simulate("cortex-m4", [code], "use", 5)
    assert 1000 <= call.stack_bytes <= 1040
    assert simulate("cortex-m4", ["int none(int n) { return n; }"], "none", 5).stack_bytes == 0


def test_sizes_are_those_of_the_sections() -> None:
    code = """
    const int constants[100] = {1, 2, 3};
    int initial[50] = {1};
    int zeros[25];
    int use(int n) { zeros[n]++; initial[n] += zeros[n]; return constants[n] + initial[n]; }
    """
    memory = Memory(flash_bytes=10_000, ram_bytes=3000, stack_bytes=1000)
    image = compile_image(CORES["cortex-m0plus"], [code], keep=("use",), memory=memory)
    assert (image.sections["rodata"], image.sections["data"], image.sections["bss"]) == (400, 200, 100)
    assert image.flash_bytes == image.sections["text"] + 600
    assert image.ram_bytes == 300
    sizes = {symbol.name: (symbol.section, symbol.size) for symbol in image.symbols}
    assert sizes["constants"] == ("rodata", 400)
    assert sizes["zeros"] == ("bss", 100)
    assert sum(len(data) for _, data in image.segments) == image.flash_bytes
    machine = Machine(image)
    assert [machine.call("use", 0).value for _ in range(2)] == [1 + 2, 1 + 4]


def test_images_that_do_not_fit_are_refused() -> None:
    code = "char zeros[3000];\nchar *use(int n) { zeros[n]++; return zeros; }"
    with pytest.raises(BuildError, match="RAM"):
        compile_image(CORES["cortex-m4"], [code], keep=("use",), memory=Memory(ram_bytes=3000, stack_bytes=1000))
    with pytest.raises(BuildError, match=r"undefined.*missing"):
        compile_image(CORES["cortex-m4"], ["int missing(void); int use(void) { return missing(); }"], keep=("use",))
    with pytest.raises(BuildError, match="has no function 'absent'"):
        compile_image(CORES["cortex-m4"], ["int use;"], keep=("absent",))


def test_compilers_that_are_missing_are_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BuildError, match=r"ziglang is not installed: pip install 'edgebnn\[mcu\]'"):
        compile_image(CORES["cortex-m4"], ["int use;"])
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BuildError, match="arm-none-eabi-gcc is not installed; apt-get install gcc-arm-none-eabi"):
        compile_image(CORES["cortex-m4"], ["int use;"], toolchain="gcc")


def test_files_are_sources_too(tmp_path: Path) -> None:
    path = tmp_path / "file.c"
    path.write_text("int twice(int n) { return 2 * n; }")
    assert simulate("cortex-m7", [path], "twice", 21).value == 42


def test_machines_give_their_memory_back_at_once() -> None:
    """Each takes a gigabyte of addresses, and pruning makes hundreds: that must not wait for the garbage collector."""
    image = compile_image(CORES["cortex-m4"], [FAULTS], keep=FAULTY)
    gc.collect()
    gc.disable()
    try:
        taken = []
        for _ in range(12):
            machine = Machine(image, marks="ends")
            machine.call("ends", np.ones(5, np.int8), 3)
            taken.append(addresses())
            del machine
        assert max(taken) - min(taken) < 2 << 30
    finally:
        gc.enable()


def addresses() -> int:
    """Bytes of addresses of this process; 0 where the system does not say."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmSize:"))
