"""What counts the instructions of whole networks under emulation."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from edgebnn.runtime import build
from edgebnn.targets.qemu_user import MACHINES
from tools.bench.arm_networks import EMULATOR, PLUGIN, Count, Result, markdown
from tools.bench.marked_inference import MARK

_STRICT = ("-std=c11", "-O2", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra", "-Werror")
_ROUNDS = 1000
_PROGRAM = f"""
#include <stdint.h>

static void mark(uint64_t begin, uint64_t end) {{
  register uint64_t function __asm__("x8") = {MARK}, first __asm__("x0") = begin, second __asm__("x1") = end;
  __asm__ volatile("svc #0" : "+r"(first) : "r"(function), "r"(second) : "memory");
}}

__attribute__((noinline)) static void spend(uint64_t rounds) {{
  __asm__ volatile(".balign 64\\n1:\\n\\tsubs %0, %0, #1\\n\\tb.ne 1b" : "+r"(rounds) : : "cc");
}}

int main(void) {{
  const uint64_t begin = (uint64_t)(uintptr_t)spend;
  mark(begin, begin + 4096);
  spend({_ROUNDS});
  mark(begin, begin);
  return 0;
}}
"""


def test_the_instructions_between_marks_are_counted_and_those_of_a_range(tmp_path: Path) -> None:
    plugin, source, program = tmp_path / "plugin.so", tmp_path / "program.c", tmp_path / "program"
    build.compile(plugin, [PLUGIN], build.find_compiler(), _STRICT)
    if shutil.which(EMULATOR) is None:
        pytest.skip(f"compiled, but untested: apt-get install --no-install-recommends qemu-user for {EMULATOR}")
    if importlib.util.find_spec("ziglang") is None:
        pytest.skip("the ziglang wheel is not installed")
    source.write_text(_PROGRAM, encoding="utf-8")
    compiler = build.zig_compiler(MACHINES["aarch64"].zig_target)
    build.compile(program, [build.Source(source)], compiler, ("-std=gnu11", "-O2"), ("-static",))
    command = [EMULATOR, "-plugin", str(plugin), str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    _, (executed, inside) = (map(int, pair) for pair in re.findall(r"^counted (\d+) (\d+)$", done.stderr, re.MULTILINE))
    assert 2 * _ROUNDS <= inside <= executed <= 2 * _ROUNDS + 30


def test_a_count_is_compared_with_that_of_another_library() -> None:
    now, before = Count(2_000_000, 500_000, "a"), Count(3_000_000, 500_000, "b")
    text = markdown([Result("net", "int8", "Pi", "cpu", now, before), Result("net", "float", "Pi", "cpu", now, None)])
    assert "| net, int8 around | Pi (cpu) | 2.00 | 0.50 | 3.00 | 1.50 | differ |" in text
    assert "| net, float around | Pi (cpu) | 2.00 | 0.50 | - | - | - |" in text
