"""What generated packages are made for: the cores of microcontrollers, and processors with an operating system."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Core:
    """A core and what its instruction set has.

    name:    as targets are called.
    title:   as people write it.
    cpu:     what LLVM calls it (``-mcpu``); gcc writes it with hyphens.
    thumb2:  32-bit Thumb instructions, with IT blocks, bit fields and hardware division.
    dsp:     the DSP extension: multiplications of halves, saturation, ``usada8``.
    mve:     vectors (Helium).
    source:  the manual that says so.
    host:    the processor as :func:`edgebnn.machine.processor` calls it, if it runs an operating system: there is a
             heap, and kernels are chosen by what the running processor has.
    """

    name: str
    title: str
    cpu: str
    thumb2: bool
    dsp: bool
    mve: bool
    source: str
    host: str = ""


CORES: Mapping[str, Core] = MappingProxyType(
    {
        core.name: core
        for core in (
            Core("cortex-m0plus", "Cortex-M0+", "cortex_m0plus", False, False, False, "Arm DDI 0484"),
            Core("cortex-m3", "Cortex-M3", "cortex_m3", True, False, False, "Arm 100165"),
            Core("cortex-m4", "Cortex-M4", "cortex_m4", True, True, False, "Arm 100166"),
            Core("cortex-m7", "Cortex-M7", "cortex_m7", True, True, False, "Arm DDI 0489"),
            Core("cortex-m33", "Cortex-M33", "cortex_m33", True, True, False, "Arm 100230"),
        )
    }
)

VECTOR_CORES: Mapping[str, Core] = MappingProxyType(
    {
        core.name: core
        for core in (
            Core("cortex-m55", "Cortex-M55", "cortex_m55", True, True, True, "Arm 101051"),
            Core("cortex-m85", "Cortex-M85", "cortex_m85", True, True, True, "Arm 101924"),
        )
    }
)
"""Those with vectors, which nothing here simulates instruction by instruction: packages are made for them."""

PORTABLE = Core("portable", "any processor", "", False, False, False, "C99")
"""What is not known gets the plain kernels: a processor with a C compiler."""

HOSTS: Mapping[str, Core] = MappingProxyType(
    {
        "linux-x86_64": Core("linux-x86_64", "Linux on x86-64", "", False, False, False, "System V ABI", "x86_64"),
        "linux-aarch64": Core("linux-aarch64", "Linux on AArch64", "", False, False, False, "AAPCS64", "aarch64"),
    }
)

PACKAGES: Mapping[str, Core] = MappingProxyType({**CORES, **VECTOR_CORES, PORTABLE.name: PORTABLE, **HOSTS})
"""All that there are C packages for."""
