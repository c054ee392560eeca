"""Estimated cycles against sums by hand from the tables of the cores' manuals."""

from __future__ import annotations

import pytest

from edgebnn.kernels.cores import CORES
from edgebnn.targets.cortex_m import Machine, compile_image
from edgebnn.targets.cortex_m.cycles import CYCLE_MODELS, Cost, estimate
from edgebnn.targets.cortex_m.thumb import disassemble

BX_LR = "bx lr"


def block(core: str, assembly: str) -> Cost:
    """The cost of some instructions as one block of code."""
    code = f'__attribute__((naked)) void block(void) {{ __asm volatile("{assembly}"); }}'
    image = compile_image(CORES[core], [code], keep=("block",))
    (symbol,) = (symbol for symbol in image.symbols if symbol.name == "block")
    start = symbol.address - image.memory.flash_origin
    data = next(data for address, data in image.segments if address == image.memory.flash_origin)
    return CYCLE_MODELS[core].cost(disassemble(data[start : start + symbol.size], symbol.address))


def test_every_core_has_a_model_with_its_source() -> None:
    assert set(CYCLE_MODELS) == set(CORES)
    assert all(model.source for model in CYCLE_MODELS.values())


@pytest.mark.parametrize(
    ("assembly", "cycles"),
    [
        ("adds r0, r0, r1; muls r0, r1; lsls r0, r0, #2", 1 + 1 + 1),
        ("ldr r0, [r1]; ldrb r2, [r1, r3]; str r0, [r1]", 2 + 2 + 2),
        ("push {r4, r5, lr}; ldm r0!, {r1, r2}; pop {r4, r5, pc}", (1 + 3) + (1 + 2) + (3 + 3)),
        ("movs r0, #1; bx lr", 1 + 2),
    ],
)
def test_cortex_m0plus(assembly: str, cycles: int) -> None:
    assert block("cortex-m0plus", assembly) == Cost(cycles)


@pytest.mark.parametrize(
    ("assembly", "cycles"),
    [
        ("ldr r0, [r1]; ldr r1, [r2]", 3),  # the examples of the manual
        ("ldr r0, [r1, r2]; str r0, [r3, #20]", 3),
        ("ldr r0, [r1, r2]; str r1, [r3, r2]", 3),
        ("ldr r0, [r1, r5]; ldr r1, [r2]; ldr r2, [r3, #4]", 4),
        ("ldr r0, [r1]; ldr r2, [r0]", 4),  # the second waits for its address
        ("adds r0, #4; ldr r1, [r0]", 1 + 2 + 1),
        ("adds r0, #4; ldr r1, [r2]", 1 + 2),
        ("str r0, [r1, #4]; str r0, [r1, #8]", 2),
        ("ldrd r0, r1, [r2]; strd r0, r1, [r2]", 6),
        ("push {r4-r7, lr}; pop {r4-r7, pc}", 6 + (6 + 3)),
        ("cmp r0, #1; it eq; moveq r0, #2", 1 + 0 + 1),
        ("cmp.w r0, #1000; it eq; moveq r0, #2", 1 + 1 + 1),
        ("bx lr", 4),
    ],
)
def test_cortex_m3_and_m4(assembly: str, cycles: int) -> None:
    assert block("cortex-m3", assembly) == block("cortex-m4", assembly) == block("cortex-m33", assembly) == Cost(cycles)


def test_multiplications_of_cortex_m3_take_longer_than_those_of_m4() -> None:
    assembly = "mla r0, r1, r2, r3; smull r0, r1, r2, r3; smlal r0, r1, r2, r3; mul r0, r1, r2; sdiv r0, r1, r2"
    assert block("cortex-m3", assembly) == Cost(2 + 5 + 7 + 1 + 12)
    assert block("cortex-m4", assembly) == Cost(1 + 1 + 1 + 1 + 12)
    assert block("cortex-m4", "usada8 r0, r1, r2, r0; smlad r3, r1, r2, r3; uxtb16 r4, r5") == Cost(3)


@pytest.mark.parametrize(
    ("assembly", "cycles"),
    [
        ("adds r0, #1; adds r1, #1; adds r2, #1; adds r3, #1", 2),
        ("adds r0, #1; adds r0, #1; adds r0, #1; adds r0, #1", 4),
        ("ldr r0, [r4]; ldr r1, [r5]; adds r2, #1; adds r3, #1", 2),
        ("ldr r0, [r4]; adds r0, #1", 3),  # used a cycle too early
        ("str r0, [r4]; str r1, [r5]", 2),
        ("usada8 r0, r1, r2, r0; ldr r3, [r4]; usada8 r5, r6, r7, r5; ldr r8, [r4, #4]", 2),
        ("smlad r0, r1, r2, r0; smlad r3, r1, r2, r3", 2),
        ("subs r0, #1; bne .", 1),
    ],
)
def test_cortex_m7_issues_two_at_a_time(assembly: str, cycles: int) -> None:
    assert block("cortex-m7", assembly) == Cost(cycles)


def test_branches_cost_what_they_do_where_they_are_taken() -> None:
    loop = "movs r1, #0\\n 1: adds r1, #1\\n subs r0, #1\\n bne 1b\\n mov r0, r1\\n bx lr"
    code = f'__attribute__((naked)) int loop(int n) {{ __asm volatile("{loop}"); }}'
    for core, turn, refill, rest in (("cortex-m0plus", 3, 1, 1 + 1 + 2), ("cortex-m4", 3, 1, 1 + 1 + 4)):
        machine = Machine(compile_image(CORES[core], [code], keep=("loop",)))
        (section,) = machine.call("loop", 100).sections

        def instructions(address: int, size: int, machine: Machine = machine):  # type: ignore[no-untyped-def]
            return disassemble(machine.read(address, size), address)

        cycles = [estimate(section.blocks, CYCLE_MODELS[core], instructions, waits) for waits in (0, 5)]
        assert cycles[0] == 100 * turn + 99 * refill + rest
        assert cycles[1] - cycles[0] in (99 * 5, 100 * 5), "at every branch that is taken, the return perhaps included"
